//! Every limit of the house in one place, each with its reason; their relations are checked when
//! this file compiles. What happens when one is reached is said where it is enforced.

use std::time::Duration;

use super::Amount;

// --- threads and channels ---------------------------------------------------------------------

/// Stack of a connection's thread: the deepest handler needs under 100 KiB.
///
/// Unoptimised code keeps all that a hash's wide registers ever hold on the stack, and needs more.
pub const CONNECTION_STACK_BYTES: usize = if cfg!(debug_assertions) { 2048 * 1024 } else { 256 * 1024 };
/// One death is enough to end the process; a few more for the log.
pub const DEATHS_QUEUED_MAX: usize = 8;

// --- HTTP -------------------------------------------------------------------------------------

/// Connections served at once; idle ones make room for further ones, which else are answered 503.
pub const HTTP_CONNECTIONS_MAX: usize = 1024;
/// Connections that the kernel completes before we accept them: a whole fleet of pages reloading.
pub const HTTP_BACKLOG: i32 = 1024;
/// Request line and headers together.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Headers of one request.
pub const HTTP_HEADERS_MAX: usize = 64;
/// A request's body: the largest legitimate one (`set_config`) has a few hundred bytes.
pub const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// Nesting of a JSON body: ours have three levels. Each takes parsing some of a connection's stack.
pub const JSON_DEPTH_MAX: usize = 32;
/// A chunk's size with its extensions, or one trailer.
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 256;
/// What one write takes from a large body, and so what a connection buffers of it.
pub const HTTP_PIECE_BYTES: usize = 64 * 1024;
/// From a request's first byte to its head's last.
pub const HTTP_HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// From the head to the body's last byte.
pub const HTTP_BODY_TIME_MAX: Duration = Duration::from_secs(20);
/// Between two requests on one connection.
pub const HTTP_IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// For a client to read one piece of an answer: 3 KiB/s is a bad mobile network.
pub const HTTP_WRITE_TIME_MAX: Duration = Duration::from_secs(20);
/// Before a 429 is sent, and before strangers' requests that break the rules of HTTP are refused: a connection
/// that asks without pause gets ten answers a second.
pub const HTTP_SLOWED_TIME: Duration = Duration::from_millis(100);
/// After the last answer, for a client that is still sending: closing at once would reset the
/// connection and could take the answer with it.
pub const HTTP_LINGER_TIME_MAX: Duration = Duration::from_secs(1);
/// What is read and thrown away in that time.
pub const HTTP_LINGER_BYTES_MAX: usize = 1024 * 1024;
/// For requests in flight when the server stops.
pub const HTTP_STOP_TIME_MAX: Duration = Duration::from_millis(2500);

// --- REST -------------------------------------------------------------------------------------

/// Requests of one address at once, in closed mode: a page of the app asks for ten things.
pub const RATE_ADDRESS_BURST: u32 = 200;
/// Then one each: 50 a second, an office of dashboards behind one address.
pub const RATE_ADDRESS_INTERVAL: Duration = Duration::from_millis(20);
/// Requests of one account at once, in closed mode.
pub const RATE_ACCOUNT_BURST: u32 = 200;
/// Then one each: 50 a second.
pub const RATE_ACCOUNT_INTERVAL: Duration = Duration::from_millis(20);
/// Nonces, signatures, registrations and logins of one address at once.
pub const RATE_SIGN_IN_BURST: u32 = 20;
/// Then one each: a person signs in twice a day, a signature's check takes 0.2 ms.
pub const RATE_SIGN_IN_INTERVAL: Duration = Duration::from_secs(2);
/// Buckets of one kind that are kept because they are not full: 16 bytes each, 1 MiB.
pub const RATE_BUCKETS_MAX: usize = 65_536;
/// How long the answer to "is the writer alive" holds, and a probe may take.
pub const READY_HOLDS: Duration = Duration::from_secs(1);
/// A writer that has not stored anything in this time is not ready.
pub const READY_TIME_MAX: Duration = Duration::from_secs(2);

// --- live feed --------------------------------------------------------------------------------

/// Dashboards at once, unless configured (contract: web-client.md); the next is closed with 1013.
pub const LIVE_CLIENTS_MAX: usize = 200;
/// Batches waiting for one dashboard: with a batch each 20 ms, 2 s of a client that does not read.
pub const LIVE_BATCHES_QUEUED_MAX: usize = 100;
/// What the kernel holds for a dashboard (it doubles this): left alone it would take 4 MB, minutes
/// of events, from one that does not read.
pub const LIVE_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// A message from a dashboard; none is needed.
pub const LIVE_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// How long events are gathered into one write.
pub const LIVE_BATCH_TIME: Duration = Duration::from_millis(20);
/// Events gathered into one write; with 120 bytes each, 100,000 events a second.
pub const LIVE_BATCH_BYTES_MAX: usize = 256 * 1024;
/// Events waiting to be gathered, many times what a batch's time brings.
pub const LIVE_EVENTS_QUEUED_MAX: usize = 8192;
/// How long changes are gathered into one delta (contract: web-client.md, 100 to 250 ms).
pub const LIVE_DELTA_TIME: Duration = Duration::from_millis(200);
/// How long a dashboard that lost its connection can go on where it was.
pub const LIVE_RESUME_TIME: Duration = Duration::from_secs(60);
/// Deltas kept for that; when there are more the oldest go, and whoever needs them begins anew.
pub const LIVE_RESUME_DELTAS_MAX: usize = 300;
/// Their bytes, ten times what a fleet of 10,000 with 200 messages a second makes of them.
pub const LIVE_RESUME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is written at once to a dashboard that gets deltas: in two seconds a slow phone takes one.
pub const LIVE_PIECE_BYTES: usize = 16 * 1024;
/// Workers of a snapshot's first page.
pub const LIVE_PAGE_ROWS_MAX: i64 = 200;
/// How long a dashboard's queue may be full (contract: web-client.md).
pub const LIVE_FULL_TIME_MAX: Duration = Duration::from_secs(2);
/// A dashboard that has said nothing for this long is asked whether it is there.
pub const LIVE_PING_TIME: Duration = Duration::from_secs(30);
/// A dashboard that has said nothing for this long, two pings, is gone.
pub const LIVE_SILENCE_TIME_MAX: Duration = Duration::from_secs(75);
/// For dashboards to answer the close at shutdown.
pub const LIVE_FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

// --- MQTT -------------------------------------------------------------------------------------

/// A packet (contract: mqtt.md); a larger one ends the connection.
pub const MQTT_PACKET_BYTES_MAX: usize = 64 * 1024;
/// Connections that the gate lets in, unless configured.
pub const MQTT_CONNECTIONS_MAX: usize = 10_000;
/// What the library is told, far above the gate's own cap: reaching it poisons the library.
pub const MQTT_LIBRARY_CONNECTIONS_MAX: usize = 100_000;
/// Time for CONNECT after the socket opens.
pub const MQTT_CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Messages a second from one client, sustained, off loopback.
pub const MQTT_MESSAGES_PER_SECOND: u32 = 50;
/// Before the next messages of a client over its rate are looked at.
pub const MQTT_SLOWED_TIME: Duration = Duration::from_secs(1);
/// Filters of one SUBSCRIBE and of one client.
pub const MQTT_SUBSCRIPTIONS_MAX: usize = 32;
/// Levels of a topic or filter.
pub const MQTT_TOPIC_LEVELS_MAX: usize = 8;
/// A topic or filter.
pub const MQTT_TOPIC_BYTES_MAX: usize = 200;
/// A client id.
pub const MQTT_CLIENT_ID_BYTES_MAX: usize = 160;
/// How long an acknowledgement may wait for its commit before the connection is closed instead.
pub const MQTT_RECEIPT_TIME_MAX: Duration = Duration::from_secs(2);
/// Sockets open beyond the clients that may connect: those that have not said CONNECT yet, and those
/// that a takeover has ended. The next one is closed at once.
pub const MQTT_SOCKETS_SPARE: usize = 1024;
/// Distinct topics relayed in one life of the process: the library keeps 0.3 KiB of each for ever.
/// Messages on further topics reach `ingest` and are acknowledged, but no subscriber.
pub const MQTT_TOPICS_MAX: usize = 100_000;
/// Distinct filters of workers' commands in one life of the process (two for each worker): the
/// library keeps 6 KiB of each for ever. A further one is refused in its SUBACK.
pub const MQTT_COMMAND_FILTERS_MAX: usize = 20_000;
/// Distinct other filters in one life of the process; each may hold a log of 2 MiB of recent messages.
pub const MQTT_OTHER_FILTERS_MAX: usize = 1024;
/// All retained messages together, each with what keeping it costs; a further one ends the connection,
/// and as a will it is only passed on.
pub const MQTT_RETAINED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What keeping one costs beyond its topic and payload.
pub const MQTT_RETAINED_OVERHEAD_BYTES: usize = 160;
/// Retained messages written to a subscriber in one go; the next go waits until its socket took them.
pub const MQTT_RETAINED_PIECE_BYTES: usize = 32 * 1024;
/// Topics looked at for one such go, while no client is served: 0.1 ms.
pub const MQTT_RETAINED_LOOKS_MAX: usize = 1000;
/// A subscriber that leaves so many QoS 1 messages unacknowledged gets its next retained ones when it
/// acknowledges.
pub const MQTT_RETAINED_UNACKNOWLEDGED_MAX: usize = 1000;
/// QoS 1 messages sent to one client and not acknowledged, a byte each; one more ends the connection.
/// As heartbeats more than a socket's buffers hold: a client that acknowledges, however slowly, is held
/// up by its socket first.
pub const MQTT_UNACKNOWLEDGED_MAX: usize = 32_768;
/// Workers that one client of the open mode is known to act for; further ones are served, not known.
pub const MQTT_WORKERS_PER_CLIENT_MAX: usize = 1024;
/// QoS 2 messages of one client between PUBLISH and PUBREL; one more ends the connection.
pub const MQTT_UNRELEASED_MAX: usize = 64;
/// Log lines of one kind about refused clients, at once; further ones are counted.
pub const MQTT_COMPLAINTS_AT_ONCE: u32 = 10;
/// Then one such line in this time.
pub const MQTT_COMPLAINT_EVERY: Duration = Duration::from_secs(5);
/// Publishes handed to `ingest` and not yet taken; when full the gate waits (back-pressure).
pub const INGEST_QUEUED_MAX: usize = 4096;

// --- store ------------------------------------------------------------------------------------

/// Jobs of money waiting for the writer; when full, callers wait.
pub const STORE_JOBS_QUEUED_MAX: usize = 1024;
/// Bulk jobs (heartbeat flushes, snapshots) waiting; when full, callers wait.
pub const STORE_BULK_QUEUED_MAX: usize = 16;
/// Rows that one bulk job writes: under a millisecond, so that money never waits long.
pub const STORE_BULK_ROWS_MAX: usize = 200;
/// How long a worker's change of state may wait for a commit to share.
pub const STORE_CALM_TIME: Duration = Duration::from_millis(20);
/// The write-ahead log is copied into the database at this many pages of 4 KiB: the pages that every
/// lease touches are then copied once for hundreds of leases.
pub const STORE_LOG_PAGES: i64 = 8192;
/// Room on the database's disk below which the platform is not ready: the log grows to half of it
/// before it is written back, and stopping in order needs some.
pub const STORE_FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Jobs of one group commit.
pub const STORE_GROUP_MAX: usize = 256;
/// Read-only connections.
pub const STORE_READERS: usize = 8;
/// Page cache of a read-only connection, KiB.
pub const STORE_CACHE_KIB: i64 = 2048;
/// Page cache of the writer, KiB: the pages that new leases fall on, for hundreds of thousands.
pub const STORE_WRITER_CACHE_KIB: i64 = 8192;
/// Committed events waiting for `dispatch`; when full the writer waits.
pub const EVENTS_QUEUED_MAX: usize = 8192;

/// Blocks waiting to be recomputed; when full they wait in the database.
pub const PENDING_BLOCKS_QUEUED_MAX: usize = 256;

// --- market -----------------------------------------------------------------------------------

/// Rows of one page.
pub const PAGE_ROWS_MAX: i64 = 200;
/// Rows of one page of a limit/offset list.
pub const LIST_ROWS_MAX: i64 = 1000;
/// Rows of one exported file, 2 MB; more are had by asking on from its last row.
pub const EXPORT_ROWS_MAX: i64 = 10_000;
/// Samples of one answer with the fleet's hashrate: 1 MB, and a day of three workers.
pub const HISTORY_ROWS_MAX: i64 = 10_000;
/// Stretches and periods of that history that are kept encoded or summed: the app uses three.
pub const HISTORY_KEPT_MAX: usize = 8;
/// A lease: a year, in seconds.
pub const LEASE_SECONDS_MAX: i64 = 366 * 86_400;
/// Price of a worker's minute: with [`LEASE_SECONDS_MAX`] no cost leaves 64 bits of millionths.
pub const PRICE_PER_MIN_MAX: Amount = Amount::from_millionths(1_000_000 * 1_000_000);
/// Violations that an audit tells one by one: more need another remedy than reading them.
pub const AUDIT_LINES_MAX: usize = 1000;
/// GPUs of one worker.
pub const GPUS_MAX: usize = 64;
/// A GPU's name, a version, a state's detail: text that is only shown.
pub const TEXT_BYTES_MAX: usize = 128;
/// Hashrate of one worker, H/s: far above any rig, far below where sums lose precision.
pub const HASHRATE_MAX: f64 = 1e15;
/// Memory of an Argon2id hash that the platform recomputes, KiB (contract: pow.md, m up to 100000).
pub const DIFFICULTY_KIB_MAX: u32 = 131_072;
/// A block's hash: the longest PHC string of the network has 150 characters.
pub const HASH_BYTES_MAX: usize = 256;

// --- proof of work ----------------------------------------------------------------------------

/// Strangers' hashes recomputed at once: each may take 128 MiB and a tenth of a second.
pub const VERIFIERS: usize = 2;
/// Waiting for one of them; then the block is refused for now and must be sent again.
pub const VERIFIER_WAIT_MAX: Duration = Duration::from_secs(5);
/// What an idle one keeps, KiB: enough for the usual difficulties.
pub const VERIFIER_KEPT_KIB: usize = 16 * 1024;

/// Before a device that failed is tried again; doubled each time,
pub const BACKEND_RETRY_TIME_MIN: Duration = Duration::from_secs(1);
/// up to this: a driver that comes back after an hour is seen within a minute.
pub const BACKEND_RETRY_TIME_MAX: Duration = Duration::from_secs(60);
/// A launch on a GPU: new orders wait for the two that are in flight.
pub const CUDA_LAUNCH_TIME: Duration = Duration::from_millis(20);
/// Hashes of one: 20 ms at 13 MH/s, whose first blocks take 512 MiB.
pub const CUDA_LAUNCH_HASHES_MAX: u32 = 1 << 18;

// --- the chain's RPC --------------------------------------------------------------------------

/// One call, from connecting to the answer's last byte (contract: pow.md).
pub const RPC_TIME_MAX: Duration = Duration::from_secs(10);
/// The answer to `/difficulty` and `/verify`.
pub const RPC_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// A list of blocks: a thousand of under 1 KiB each.
pub const RPC_BLOCKS_BYTES_MAX: u64 = 1024 * 1024;

// --- auth -------------------------------------------------------------------------------------

/// A sign-in nonce lives this long (contract: rest.md).
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// Nonces remembered as used: 333 sign-ins a second for a nonce's lifetime, 4 MiB.
pub const NONCES_USED_MAX: usize = 100_000;
/// How far ahead of ours the clock may be that dated a sign-in message: a clock that follows the network's
/// is off by milliseconds, one set by hand by less than this.
pub const SIGN_IN_CLOCK_AHEAD_MAX: Duration = Duration::from_secs(60);
/// A sign-in message (EIP-4361): ours has 300 bytes, one with many resources a few thousand.
pub const SIGN_IN_MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// A session token lives this long (contract: rest.md).
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(86_400);
/// Sessions of one account: a person has a handful, a program that signs in every minute loses its oldest.
pub const SESSIONS_MAX: i64 = 1000;
/// How exactly the last use of a key or a session is known: each costs a write.
pub const LAST_USE_TIME: Duration = Duration::from_secs(60);
/// What a client calls itself, as far as it is kept.
pub const AGENT_CHARACTERS_MAX: usize = 200;
/// API keys of one account.
pub const API_KEYS_MAX: i64 = 1000;
/// Tokens of one worker: one in use, one being rolled out, and room to forget some.
pub const WORKER_TOKENS_MAX: i64 = 8;
/// Names of workers never seen that one account may have taken with tokens: the rigs of a farm that are
/// being set up. A further one is refused until some of them have come, or their tokens are revoked.
pub const UNSEEN_WORKERS_MAX: i64 = 256;
/// What administrators did is kept for a year; a deposit's hook acts with each payment.
pub const ACTS_KEPT_TIME: Duration = Duration::from_secs(366 * 86_400);
/// Acts of administrators, of some 200 bytes each. Full: the oldest go.
pub const ACTS_MAX: i64 = 1_000_000;
/// Characters of a value that are noted with an act: an address, an id, a number.
pub const ACT_VALUE_CHARACTERS_MAX: usize = 128;
/// A file that holds a secret.
pub const SECRET_FILE_BYTES_MAX: u64 = 4 * 1024;
/// A file of workers' tokens: lines for all that one simulation may have.
pub const TOKENS_FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Characters of an administrator's key chosen by hand; one made here has 32.
pub const ADMINISTRATOR_KEY_LENGTH_MIN: usize = 16;
/// Bytes of a secret that signs tokens in closed mode: what HS256 asks for (RFC 7518, 3.2).
pub const JWT_SECRET_BYTES_MIN: usize = 32;

// --- worker -----------------------------------------------------------------------------------

/// A miner's file of options: some twenty short lines, and its owner's comments.
pub const WORKER_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Events of all sessions of a process waiting for their owner; when full the sessions wait.
pub const WORKER_EVENTS_QUEUED_MAX: usize = 1024;
/// Messages of one session waiting for its socket; when full a heartbeat is forgotten and a block
/// is tried again.
pub const WORKER_MESSAGES_QUEUED_MAX: usize = 64;
/// Blocks that the platform has not acknowledged yet; when full the oldest is given up (the chain
/// has it, and the platform finds it there by its prefix).
pub const WORKER_BLOCKS_QUEUED_MAX: usize = 4096;
/// Blocks that the chain refused for good, kept in a miner's journal for its owner to read.
pub const REFUSED_BLOCKS_KEPT_MAX: i64 = 1000;
/// Found blocks that a miner has in hand on their way to chain and platform; more wait in its journal.
pub const WORKER_BLOCKS_IN_HAND_MAX: usize = 1024;
/// Blocks on their way to the chain's RPC at once: the network blocks an address that posts hundreds.
pub const SUBMISSIONS_AT_ONCE: usize = 4;

// --- the gateway to a The Block node ------------------------------------------------------------

/// A call to the node, from connecting to the answer's last byte (contract: block-buster.md).
pub const GATEWAY_CALL_TIME_MAX: Duration = Duration::from_secs(2);
/// An answer of the node: 512 receipts have 0.3 MiB, thousands of peers 2.
pub const GATEWAY_ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What is kept of the node's words in an error.
pub const GATEWAY_ERROR_CHARS_MAX: usize = 200;
/// Calls in any [`GATEWAY_CALLS_WINDOW`], whoever asks: a tenth of what the node bans for.
pub const GATEWAY_CALLS_MAX: usize = 10;
/// A second, and what calls may come closer together on their way.
pub const GATEWAY_CALLS_WINDOW: Duration = Duration::from_millis(1050);
/// Calls without an answer that open the breaker.
pub const GATEWAY_BREAKER_FAILURES: u32 = 3;
/// Between two calls while the breaker is open.
pub const GATEWAY_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// No calls after the node said that there are too many (contract: block-buster.md).
pub const GATEWAY_BAN_TIME: Duration = Duration::from_secs(60);
/// How long a method that the node lacks is not asked for again.
pub const GATEWAY_MISSING_TIME: Duration = Duration::from_secs(10);
/// How long old data is shown (contract: block-buster.md).
pub const GATEWAY_KEPT_TIME: Duration = Duration::from_secs(60);
/// Failed calls remembered: five minutes of as many as there can be.
pub const GATEWAY_ERRORS_KEPT_MAX: usize = 3000;
/// Receipts of one answer (contract: block-buster.md), and so all that are kept.
pub const GATEWAY_RECEIPTS_MAX: usize = 512;
/// Operations shown (contract: block-buster.md).
pub const GATEWAY_OPERATIONS_MAX: usize = 50;
/// Full checks that wait for the same round; a further one is told at once what is known.
pub const GATEWAY_WAITERS_MAX: usize = 64;
/// How long a full check waits for a slow node.
pub const GATEWAY_CHECK_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a call that is passed on waits for its turn and its answer.
pub const GATEWAY_PASSED_TIME_MAX: Duration = Duration::from_secs(4);
/// Full checks and passed calls waiting for the poller; when full they are refused.
pub const GATEWAY_JOBS_QUEUED_MAX: usize = 8;
/// Connections of each of the three ports.
pub const GATEWAY_CONNECTIONS_MAX: usize = 1024;
/// Connections of the embedded node: the gateway has one.
pub const GATEWAY_DEMO_CONNECTIONS_MAX: usize = 16;
/// WebSocket clients, on all ports together; the next is closed with 1013.
pub const GATEWAY_SOCKETS_MAX: usize = 600;
/// Frames waiting for one client, which are shared; when full the oldest goes.
pub const GATEWAY_FRAMES_QUEUED_MAX: usize = 16;
/// Answers to one client's messages that wait; when full a further one is forgotten.
pub const GATEWAY_CONTROLS_QUEUED_MAX: usize = 32;
/// A client's message (contract: block-buster.md).
pub const GATEWAY_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The configuration file: three lines.
pub const GATEWAY_FILE_BYTES_MAX: u64 = 64 * 1024;

const _: () = {
    assert!(MQTT_CONNECTIONS_MAX < MQTT_LIBRARY_CONNECTIONS_MAX);
    assert!(MQTT_UNACKNOWLEDGED_MAX < u16::MAX as usize, "there are ids for all unacknowledged messages");
    assert!(MQTT_RETAINED_UNACKNOWLEDGED_MAX < MQTT_UNACKNOWLEDGED_MAX, "live messages find room");
    assert!(HTTP_BODY_BYTES_MAX <= MQTT_PACKET_BYTES_MAX, "a config that REST takes fits an MQTT packet");
    assert!(STORE_GROUP_MAX <= STORE_JOBS_QUEUED_MAX);
    assert!(STORE_LOG_PAGES as u64 * 4096 < STORE_FREE_BYTES_MIN, "a log that grows finds its room");
    assert!(
        PRICE_PER_MIN_MAX.millionths().checked_mul(LEASE_SECONDS_MAX / 60).is_some(),
        "a cost fits 64 bits"
    );
    assert!(LIVE_CLIENTS_MAX < HTTP_CONNECTIONS_MAX, "dashboards leave room for requests");
    assert!(HTTP_CHUNK_LINE_BYTES_MAX < HTTP_HEAD_BYTES_MAX, "a chunk's line fits the buffer");
    assert!(LIVE_PING_TIME.as_secs() * 2 < LIVE_SILENCE_TIME_MAX.as_secs(), "two pings before the end");
    assert!(PAGE_ROWS_MAX <= LIST_ROWS_MAX);
    assert!(GATEWAY_SOCKETS_MAX < GATEWAY_CONNECTIONS_MAX, "sockets leave room for requests");
    assert!(GATEWAY_OPERATIONS_MAX <= GATEWAY_RECEIPTS_MAX);
    assert!(
        LIVE_DELTA_TIME.as_millis() as usize * LIVE_RESUME_DELTAS_MAX
            >= LIVE_RESUME_TIME.as_millis() as usize,
        "the deltas kept are of the time promised"
    );
    assert!(WORKER_BLOCKS_IN_HAND_MAX <= WORKER_BLOCKS_QUEUED_MAX, "what is in hand fits every queue");
};
