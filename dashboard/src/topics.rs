//! What each page follows.

use crate::route::Route;
use partita_observe::follower::Follower;
use partita_observe::frame::Topic;
use partita_shared::ids::JobId;
use partita_shared::model::JobState;

/// Running jobs whose stages the overview shows: the rest is one click away.
pub const JOBS_IN_DETAIL_MAX: usize = 4;

/// The jobs whose stages the overview shows: the latest that run.
pub fn jobs_in_detail(follower: &Follower) -> Vec<JobId> {
    let running = follower.jobs.values().rev().filter(|job| job.state == JobState::Running);
    running.take(JOBS_IN_DETAIL_MAX).map(|job| job.id).collect()
}

/// The topics of a page, the most wanted first. The cluster and what needs attention are on every
/// page; workers too, wherever a worker is named. `follower` is what there is already: the
/// overview shows stages of the jobs that run.
pub fn topics(route: &Route, follower: &Follower) -> Vec<Topic> {
    let mut topics = vec![Topic::Cluster, Topic::Notices];
    match route {
        Route::Overview => {
            topics.push(Topic::Jobs);
            topics.extend(jobs_in_detail(follower).into_iter().map(Topic::Stages));
            topics.extend([Topic::Workers, Topic::History]);
        }
        Route::Jobs => topics.push(Topic::Jobs),
        Route::Job(job) => {
            topics.extend([Topic::Job(*job), Topic::Stages(*job), Topic::Jobs, Topic::Workers]);
            topics.push(Topic::Tables);
        }
        Route::Tasks(filter) => {
            topics.push(Topic::Jobs);
            topics.extend(filter.job.or_else(|| latest_job(follower)).map(Topic::Stages));
            topics.push(Topic::Workers);
        }
        Route::Task(task) => {
            topics.extend([Topic::Stages(task.stage.job), Topic::Workers]);
        }
        Route::Timeline(_) => topics.extend([Topic::Workers, Topic::Jobs]),
        Route::Workers => topics.push(Topic::Workers),
        Route::Worker(worker) => {
            topics.extend([Topic::Worker(*worker), Topic::WorkerHistory(*worker), Topic::Workers]);
        }
        Route::Tables(_) => topics.extend([Topic::Tables, Topic::Workers]),
        Route::Data => topics.extend([Topic::Data, Topic::Workers]),
        Route::Events => topics.extend([Topic::Events, Topic::Workers]),
        Route::Scheduler => topics.push(Topic::Scheduler),
        Route::Nowhere(_) => {}
    }
    topics
}

/// The job that the list of tasks begins with: the latest that runs, or the latest at all.
pub fn latest_job(follower: &Follower) -> Option<JobId> {
    let mut jobs = follower.jobs.values().rev();
    let running = jobs.clone().find(|job| job.state == JobState::Running);
    running.or_else(|| jobs.next()).map(|job| job.id)
}
