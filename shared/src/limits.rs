//! The limits of what passes between processes, each named with its unit.

use std::time::Duration;

/// The port that a scheduler takes when it is told none.
pub const DEFAULT_PORT: u16 = 8786;

/// The largest control message that is read or written, in bytes. Plans are the largest part.
pub const CONTROL_FRAME_BYTES_MAX: usize = 16 << 20;

/// Control messages that may wait for one worker. A worker that falls further behind does not read.
pub const WORKER_QUEUE_MESSAGES_MAX: usize = 4096;

/// Events that may wait for the scheduler's core.
pub const CORE_QUEUE_EVENTS_MAX: usize = 16_384;

/// Reports that a worker may have waiting for its control link.
pub const REPORT_QUEUE_MESSAGES_MAX: usize = 4096;

/// Tasks in one message, so that no message nears [`CONTROL_FRAME_BYTES_MAX`].
pub const TASKS_PER_MESSAGE_MAX: usize = 4096;

/// Arguments and values of all tasks in one message, in bytes; those of one task may take more.
pub const MESSAGE_VALUES_BYTES: usize = 4 << 20;

/// Arguments of one task that travel with it, in bytes. Longer ones are sent before it, in parts of this length.
pub const ARGUMENTS_PART_BYTES: usize = 4 << 20;

/// Small outputs that travel with one task that reads them, in bytes. It fetches others like large ones.
pub const TASK_VALUES_BYTES_MAX: usize = 1 << 20;

/// Bytes of a pickled function, with all values that it captured.
pub const FUNCTION_BYTES_MAX: usize = 8 << 20;

/// What may be under way on one Flight stream between processes of a cluster, in bytes.
pub const FLIGHT_STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// What may be under way on one Flight connection between processes of a cluster, in bytes: as much
/// as HTTP/2 allows, so that only its streams' windows bound it. A merge reads one stream at a
/// time; were the connection full of what the others sent ahead, the one that it waits for could
/// send nothing, for ever.
pub const FLIGHT_CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// The largest gRPC message, in bytes. One record batch with long values must fit.
pub const FLIGHT_MESSAGE_BYTES_MAX: usize = 256 << 20;

/// Tasks on slots that one heartbeat lists.
pub const SLOT_TASKS_MAX: usize = 64;

/// Partitions that a worker lists while someone looks at it.
pub const DETAIL_PARTITIONS_MAX: usize = 50;

/// Lines of its log that a worker sends while someone looks at it.
pub const DETAIL_LOG_LINES_MAX: usize = 200;

/// Characters of one line of a log that is sent.
pub const DETAIL_LOG_LINE_CHARS_MAX: usize = 400;

/// Lines of its log that a worker sends with a heartbeat. Of more it sends the last ones.
pub const BEAT_LOG_LINES_MAX: usize = 10;

/// Operators of one stage whose figures are told.
pub const STAGE_OPERATORS_MAX: usize = 200;

/// Characters of the line of an operator whose figures are told.
pub const OPERATOR_LINE_CHARS_MAX: usize = 400;

/// Bytes of what one message tells of calls: what they printed, and their tracebacks.
pub const CALL_TEXTS_BYTES_MAX: usize = 256 << 10;

/// Bytes of one text about a call.
pub const CALL_TEXT_BYTES_MAX: usize = 64 << 10;

/// Time from one sample of a running call to the next, in milliseconds.
pub const SAMPLE_INTERVAL_MS: u64 = 10;

/// Frames of a sampled call stack: those behind them are left out.
pub const STACK_FRAMES_MAX: usize = 100;

/// Bytes of the name of a function and of that of its file in a call stack, each.
pub const FRAME_TEXT_BYTES_MAX: usize = 256;

/// Nodes of the tree of the call stacks of one stage.
pub const PROFILE_NODES_MAX: usize = 2048;

/// Stages in one message about call stacks.
pub const SAMPLED_STAGES_MAX: usize = 32;

/// Running calls in one message about call stacks.
pub const SAMPLED_CALLS_MAX: usize = 256;

/// Other workers in one message about traffic.
pub const TRAFFIC_PEERS_MAX: usize = 1024;

/// How often a worker sends a heartbeat.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// A worker without a heartbeat for this long is lost.
pub const WORKER_SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a worker looks for a scheduler that is gone, unless `--death-timeout` says otherwise.
pub const DEATH_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the scheduler tries to reach the data port of a worker that registers: less than
/// [`HANDSHAKE_TIMEOUT`], in which the worker waits for its answer.
pub const REACH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a peer may take to answer the handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Stages in one job.
pub const JOB_STAGES_MAX: usize = 10_000;

/// Stages that one stage of an open job may read.
pub const STAGE_INPUTS_MAX: usize = 10_000;

/// Tasks in one stage.
pub const STAGE_TASKS_MAX: u32 = 16_000_000;

/// Tasks in all stages of one open job: each takes about 64 bytes, and 16 for each of its inputs.
pub const OPEN_JOB_TASKS_MAX: u64 = 10_000_000;

/// Finished jobs that the scheduler remembers for listings.
pub const FINISHED_JOBS_MAX: usize = 1000;

/// Jobs of all clients that may wait or run at once; [`has_room`] says how many of one client.
pub const LIVE_JOBS_MAX: usize = 2000;

/// Statements of all clients that may be in planning, or planned and not fetched, at once; [`has_room`]
/// says how many of one client.
pub const PLANNING_STATEMENTS_MAX: usize = 10_000;

/// Workers that clients want to hold results of functions, over all results for which they asked that: each takes about
/// 100 bytes in the scheduler.
pub const REPLICAS_MAX: usize = 1_000_000;

/// Jobs of all clients whose results may be persisted at once; [`has_room`] says how many of one client.
pub const PERSISTED_JOBS_MAX: usize = 2000;

/// Whether a client that has `own` of the `all` things that all clients have may have one more, if `max`
/// is the limit for all: as long as it has fewer than are left. So one client alone gets a half, each of
/// two a third, and there is always room for one that comes later.
pub const fn has_room(own: usize, all: usize, max: usize) -> bool {
    own < max.saturating_sub(all)
}

/// Characters of one error text that travel.
pub const ERROR_TEXT_CHARS_MAX: usize = 4000;

/// Worker deaths after which a task is held to be the cause.
pub const TASK_KILLS_MAX: u8 = 3;

/// Failures after which a task that is worth another try is not tried again.
pub const TASK_FAILURES_MAX: u8 = 3;

/// Workers that one task could not read from, though they are connected, after which the task is held to be the cause.
pub const TASK_UNREADABLE_MAX: u8 = 5;

/// Starts of one task, for whatever reason, after which its job fails: a bound on every cycle.
pub const TASK_ATTEMPTS_MAX: u16 = 100;

/// Bytes of an output that travels with the report on its task, and with the tasks that read it.
pub const INLINE_VALUE_BYTES_MAX: usize = 4096;

/// Bytes of such outputs that the scheduler keeps, of all jobs. Others are fetched like large ones.
pub const INLINE_VALUES_BYTES_MAX: usize = 128 << 20;

/// Bytes of an exception of a function that travels to its client.
pub const EXCEPTION_BYTES_MAX: usize = 1 << 20;

/// Bytes of the arguments of the calls of one open job: the scheduler keeps them, since a lost result is computed
/// again from them.
pub const ARGUMENTS_BYTES_MAX: usize = 1 << 30;

/// Names of resources that one worker has, or that one task needs.
pub const RESOURCES_MAX: usize = 16;

/// Characters of the name of a resource.
pub const RESOURCE_NAME_CHARS_MAX: usize = 64;

/// Amount of one resource that a worker may say it has, in thousandths; more is taken for this much.
pub const RESOURCE_AMOUNT_MAX: u64 = 1 << 60;

/// Workers and hosts to which the tasks of a stage can be restricted by name.
pub const RESTRICTION_NAMES_MAX: usize = 1000;

/// Different requirements that the stages of all jobs may have at once.
pub const REQUIREMENTS_MAX: usize = 1000;

/// Slots that one worker may say it has; more is taken for this many.
pub const WORKER_SLOTS_MAX: u32 = 65_536;

/// Memory that one worker may say it has, in bytes; more is taken for this much.
pub const WORKER_MEMORY_BYTES_MAX: u64 = 1 << 50;

#[cfg(test)]
mod tests {
    use super::has_room;

    /// Clients that take whatever they get: how many each has in the end.
    fn greedy(clients: usize, max: usize) -> Vec<usize> {
        let mut has = vec![0; clients];
        loop {
            let before: usize = has.iter().sum();
            for client in 0..clients {
                if has_room(has[client], has.iter().sum(), max) {
                    has[client] += 1;
                }
            }
            if has.iter().sum::<usize>() == before {
                return has;
            }
        }
    }

    /// A client gets a half alone and its part among others, and leaves as much for the next one.
    #[test]
    fn limits_are_shared() {
        assert_eq!(greedy(1, 2000), [1000]);
        assert_eq!(greedy(3, 2000), [500; 3]);
        assert!(has_room(0, 1500, 2000) && has_room(499, 1500, 2000));
        assert!(!has_room(500, 1500, 2000) && !has_room(0, 2000, 2000) && !has_room(0, 3000, 2000));
    }
}
