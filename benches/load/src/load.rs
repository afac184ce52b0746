//! Kinds of load: as fast as the answers come, at a fixed rate, and until the server is gone.

use crate::cells::Request;
use crate::client::{Client, Outcome};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What became of the requests of a load.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many requests had each outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// The times of the answers with status 200, sorted.
    pub latencies: Vec<Duration>,
    /// How long the load took.
    pub elapsed: Duration,
}

impl Tally {
    /// Returns the number of requests whose outcome has this name: a status, `unusable`, `refused`, or `lost: REASON`.
    pub fn count(&self, name: &str) -> usize {
        self.outcomes.get(name).copied().unwrap_or(0)
    }

    /// Returns the number of all other requests.
    pub fn count_except(&self, names: &[&str]) -> usize {
        self.outcomes.iter().filter(|(name, _)| !names.contains(&name.as_str())).map(|(_, count)| count).sum()
    }

    /// Returns the answers with status 200 per second.
    pub fn rate(&self) -> f64 {
        self.count("200") as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns a quantile of the latencies, in milliseconds.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (q * last as f64).round() as usize;
        self.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }

    fn add(&mut self, outcome: Outcome, latency: Duration) {
        let name = match outcome {
            Outcome::Answered(status) => status.to_string(),
            Outcome::Unusable => "unusable".to_owned(),
            Outcome::Refused => "refused".to_owned(),
            Outcome::Lost(kind) => format!("lost: {kind}"),
        };
        *self.outcomes.entry(name).or_default() += 1;
        if outcome == Outcome::Answered(200) {
            self.latencies.push(latency);
        }
    }

    /// Adds the requests of another load.
    pub fn merge(&mut self, other: Tally) {
        other.outcomes.into_iter().for_each(|(name, count)| *self.outcomes.entry(name).or_default() += count);
        self.latencies.extend(other.latencies);
    }
}

/// Runs `client` on every connection at the same time.
fn on_connections(connections: usize, client: impl Fn(&mut Tally) + Sync) -> Tally {
    let (all, began) = (Mutex::new(Tally::default()), Instant::now());
    thread::scope(|scope| {
        for _ in 0..connections {
            let run = || {
                let mut tally = Tally::default();
                client(&mut tally);
                all.lock().expect("no panic").merge(tally);
            };
            // Hundreds of threads need little memory each.
            thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, run).expect("a thread");
        }
    });
    let mut tally = all.into_inner().expect("no panic");
    tally.elapsed = began.elapsed();
    tally.latencies.sort_unstable();
    tally
}

/// Sends `amount` requests, each connection its next one when its last one is answered.
pub fn as_fast_as_answered(address: SocketAddr, requests: &[Request], amount: usize, connections: usize) -> Tally {
    let next = AtomicUsize::new(0);
    on_connections(connections, |tally| {
        let mut client = Client::new(address);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= amount {
                break;
            }
            let began = Instant::now();
            let outcome = client.send(&requests[index % requests.len()]);
            tally.add(outcome, began.elapsed());
        }
    })
}

/// Sends requests at a fixed rate. A latency begins at the time at which its request was due: a request that waits for a free
/// connection, because the server is late, counts its waiting time.
pub fn at_rate(address: SocketAddr, requests: &[Request], rate: f64, duration: Duration, connections: usize) -> Tally {
    let (next, began) = (AtomicUsize::new(0), Instant::now() + Duration::from_millis(200));
    let amount = (rate * duration.as_secs_f64()) as usize;
    on_connections(connections, |tally| {
        let mut client = Client::new(address);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let due = began + Duration::from_secs_f64(index as f64 / rate);
            // More connections than the rate needs do not send what was not sent in time for ever.
            if index >= amount || began.elapsed() > duration {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let outcome = client.send(&requests[index % requests.len()]);
            tally.add(outcome, due.elapsed());
        }
    })
}

/// Sends requests until connections are refused: the end of a server that is being stopped.
pub fn until_refused(address: SocketAddr, requests: &[Request], connections: usize) -> Tally {
    on_connections(connections, |tally| {
        let mut client = Client::new(address);
        for request in requests.iter().cycle() {
            let began = Instant::now();
            let outcome = client.send(request);
            tally.add(outcome, began.elapsed());
            if outcome == Outcome::Refused {
                break;
            }
        }
    })
}
