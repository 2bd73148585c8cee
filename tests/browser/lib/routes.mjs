// The pages of the navigation, in its order.

/** The pages of every cluster, under the names that their links have. */
export const ROUTES = [
  { name: 'Overview', route: '#/' },
  { name: 'Jobs', route: '#/jobs' },
  { name: 'Tasks', route: '#/tasks' },
  { name: 'Timeline', route: '#/timeline' },
  { name: 'Workers', route: '#/workers' },
  { name: 'Tables', route: '#/tables' },
  { name: 'Data', route: '#/data' },
  { name: 'Events', route: '#/events' },
  { name: 'Scheduler', route: '#/scheduler' },
];
