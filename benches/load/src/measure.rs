//! What is measured, in which order, and with which goals.

use crate::cells::{Request, request, requests};
use crate::client::Client;
use crate::load::{Tally, as_fast_as_answered, at_rate, until_refused};
use crate::server::Running;
use crate::table::Table;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The rounds in which the server and `giemsa predict`, or several servers, take turns.
const ROUNDS: usize = 3;
/// Connections of the overload: more than the server lets one client have in work.
const OVERLOAD_CONNECTIONS: usize = 600;
/// The size of a body that is no image, and the number of connections that send it.
const FLOOD_BYTES: usize = 32 << 20;
const FLOOD_CONNECTIONS: usize = 64;
/// What the server may need beside the bodies in memory, which have a budget of 1 GiB.
const MEMORY_GOAL_MB: f64 = 1024.0 + 256.0;

fn amount(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Measures `giemsa serve`, and returns whether all requirements are met.
pub fn giemsa(program: &str, cells: &str) -> bool {
    let (requests, mut table) = (requests(cells), Table::default());
    let capacity = measure_capacity(program, cells, &requests, &mut table);
    measure_latency(program, &requests, capacity, &mut table);
    measure_overload(program, &requests, capacity, &mut table);
    measure_flood(program, &mut table);
    measure_stops(program, &requests, &mut table);
    table.print()
}

fn measure_capacity(program: &str, cells: &str, requests: &[Request], table: &mut Table) -> f64 {
    let (sent, connections) = (amount("REQUESTS", 10_000), amount("CONNECTIONS", 32));
    let server = Running::start(program);
    as_fast_as_answered(server.address, requests, sent / 10, connections);
    let (mut rates, mut predicted, mut errors) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        predicted.push(requests.len() as f64 / time_predict(program, cells).as_secs_f64());
        let tally = as_fast_as_answered(server.address, requests, sent, connections);
        errors += tally.count_except(&["200"]);
        rates.push(tally.rate());
    }
    let (rate, predicted) = (median(&mut rates), median(&mut predicted));
    table.add(&format!("capacity, {connections} connections, {sent} requests"), format!("{rate:.0} /s"));
    table.add_required("errors", errors.to_string(), "0", errors == 0);
    table.add(&format!("`giemsa predict` of {} files", requests.len()), format!("{predicted:.0} /s"));
    let ratio = rate / predicted;
    table.add_speed("capacity / `giemsa predict`", format!("{:.0} %", 100.0 * ratio), "≥ 85 %", ratio >= 0.85);
    rate
}

fn time_predict(program: &str, cells: &str) -> Duration {
    let mut command = Command::new(program);
    command.args(["predict", "--quiet", "--format", "csv", cells]).stdout(Stdio::null());
    let began = Instant::now();
    assert!(command.status().is_ok_and(|status| status.success()), "`giemsa predict` failed");
    began.elapsed()
}

fn measure_latency(program: &str, requests: &[Request], capacity: f64, table: &mut Table) {
    let (rate, connections) = (0.6 * capacity, amount("CONNECTIONS", 32));
    let server = Running::start(program);
    let duration = Duration::from_secs(amount("DURATION_S", 10) as u64);
    at_rate(server.address, requests, rate, duration / 5, connections);
    let tally = at_rate(server.address, requests, rate, duration, connections);
    let (p50, p99) = (tally.quantile_ms(0.5), tally.quantile_ms(0.99));
    let name = |what: &str| format!("latency at 60 % of capacity ({rate:.0} /s), {what}");
    table.add_speed(&name("median"), format!("{p50:.2} ms"), "≤ 2 ms", p50 <= 2.0);
    table.add_speed(&name("p99"), format!("{p99:.2} ms"), "≤ 25 ms", p99 <= 25.0);
    let errors = tally.count_except(&["200"]);
    table.add_required(&name("errors"), errors.to_string(), "0", errors == 0);
}

fn measure_overload(program: &str, requests: &[Request], capacity: f64, table: &mut Table) {
    let server = Running::start(program);
    let duration = Duration::from_secs(amount("DURATION_S", 10) as u64);
    let tally = at_rate(server.address, requests, 4.0 * capacity, duration, OVERLOAD_CONNECTIONS);
    let (good, busy, others) = (tally.count("200"), tally.count("503"), tally.count_except(&["200", "503"]));
    let name = format!("4 × capacity, {OVERLOAD_CONNECTIONS} connections");
    table.add(&format!("{name}: 200, 503"), format!("{good} ({:.0} /s), {busy}", tally.rate()));
    table.add_required(&format!("{name}: others"), outcome_list(&tally, &["200", "503"]), "0", others == 0);
    let peak = server.peak_mb();
    table.add_required(&format!("{name}: peak memory"), format!("{peak:.0} MB"), "≤ 512 MB", peak <= 512.0);
}

/// Sends twice as many bytes at once as the server may have in memory.
fn measure_flood(program: &str, table: &mut Table) {
    let (server, body) = (Running::start(program), request(&vec![0; FLOOD_BYTES]));
    let tally = as_fast_as_answered(server.address, &[body], 4 * FLOOD_CONNECTIONS, FLOOD_CONNECTIONS);
    let (good, busy, others) = (tally.count("unusable"), tally.count("503"), tally.count_except(&["unusable", "503"]));
    let name = format!("{FLOOD_CONNECTIONS} connections with bodies of {} MB", FLOOD_BYTES >> 20);
    table.add(&format!("{name}: 200, 503"), format!("{good}, {busy}"));
    table.add_required(&format!("{name}: others"), outcome_list(&tally, &["unusable", "503"]), "0", others == 0);
    let peak = server.peak_mb();
    let goal = format!("≤ {MEMORY_GOAL_MB:.0} MB");
    table.add_required(&format!("{name}: peak memory"), format!("{peak:.0} MB"), &goal, peak <= MEMORY_GOAL_MB);
}

fn measure_stops(program: &str, requests: &[Request], table: &mut Table) {
    let (stops, connections) = (amount("STOPS", 20), amount("CONNECTIONS", 32));
    let (mut all, mut failed, mut longest) = (Tally::default(), 0, Duration::ZERO);
    for stop in 0..stops {
        let mut server = Running::start(program);
        let address = server.address;
        let tally = thread::scope(|scope| {
            let load = scope.spawn(|| until_refused(address, requests, connections));
            thread::sleep(Duration::from_millis(300 + 17 * stop as u64));
            server.terminate();
            let began = Instant::now();
            failed += usize::from(!server.wait().success());
            longest = longest.max(began.elapsed());
            load.join().expect("no panic")
        });
        all.merge(tally);
    }
    let expected = ["200", "unusable", "503", "refused"];
    let (answered, lost) = (all.count("200"), all.count_except(&expected));
    let name = format!("SIGTERM under load, {stops} times");
    let lost_name = format!("{name}: requests lost of {answered}");
    table.add_required(&lost_name, outcome_list(&all, &expected), "0", lost == 0);
    table.add_required(&format!("{name}: exit codes that are not 0"), failed.to_string(), "0", failed == 0);
    table.add(&format!("{name}: longest stop"), format!("{:.1} s", longest.as_secs_f64()));
}

/// Compares the capacity of `giemsa serve` with that of other servers with the same API.
pub fn compare(program: &str, cells: &str, peers: &[&str]) -> bool {
    let (requests, mut table) = (requests(cells), Table::default());
    let sent = amount("REQUESTS", 10_000);
    let server = Running::start(program);
    let mut servers = vec![("giemsa", server.address)];
    for peer in peers {
        let (name, address) = peer.split_once('=').unwrap_or_else(|| panic!("not NAME=ADDRESS: {peer}"));
        servers.push((name, address.parse().unwrap_or_else(|error| panic!("{address}: {error}"))));
    }
    for (name, address) in &servers[1..] {
        let difference = largest_difference(server.address, *address, &requests);
        let value = format!("{difference:.4}");
        table.add_required(
            &format!("{name}: largest difference of a probability"),
            value,
            "≤ 0.01",
            difference <= 0.01,
        );
    }
    let tallies = servers.iter().map(|(_, address)| in_turn(*address, &requests, sent));
    let results: Vec<(f64, f64, usize)> = tallies.collect();
    for ((name, _), (rate, p99, errors)) in servers.iter().zip(&results) {
        table.add(&format!("{name}: capacity, p99, errors"), format!("{rate:.0} /s, {p99:.1} ms, {errors}"));
    }
    for ((name, _), (rate, ..)) in servers.iter().zip(&results).skip(1) {
        let ratio = results[0].0 / rate;
        table.add_speed(&format!("giemsa / {name}"), format!("{ratio:.1}"), "≥ 4", ratio >= 4.0);
    }
    table.print()
}

/// Returns the medians of the rate and of the 99th percentile, in milliseconds, and the number of errors.
fn in_turn(address: SocketAddr, requests: &[Request], sent: usize) -> (f64, f64, usize) {
    let connections = amount("CONNECTIONS", 32);
    as_fast_as_answered(address, requests, sent / 10, connections);
    let tallies = (0..ROUNDS).map(|_| as_fast_as_answered(address, requests, sent, connections));
    let tallies: Vec<Tally> = tallies.collect();
    let median_of = |value: &dyn Fn(&Tally) -> f64| median(&mut tallies.iter().map(value).collect::<Vec<_>>());
    let errors = tallies.iter().map(|tally| tally.count_except(&["200"])).sum();
    (median_of(&Tally::rate), median_of(&|tally| tally.quantile_ms(0.99)), errors)
}

/// Returns the largest difference of the probabilities of two servers on 500 cells.
fn largest_difference(one: SocketAddr, other: SocketAddr, requests: &[Request]) -> f64 {
    let (mut one, mut other) = (Client::new(one), Client::new(other));
    let step = requests.len().div_ceil(500);
    let differences = requests.iter().step_by(step).map(|request| {
        let probability =
            |client: &mut Client| client.body_of(request).and_then(|body| number_after(&body, "\"Parasitized\":"));
        match (probability(&mut one), probability(&mut other)) {
            (Some(one), Some(other)) => (one - other).abs(),
            // A cell that is refused has no class, and must be refused by both.
            (None, None) => 0.0,
            _ => 1.0,
        }
    });
    differences.fold(0.0, f64::max)
}

fn number_after(text: &str, key: &str) -> Option<f64> {
    let rest = text.split_once(key)?.1;
    let end = rest.find([',', '}'])?;
    rest[..end].trim().parse().ok()
}

fn outcome_list(tally: &Tally, except: &[&str]) -> String {
    let others = tally.outcomes.iter().filter(|(name, _)| !except.contains(&name.as_str()));
    let list: Vec<String> = others.map(|(name, count)| format!("{count} {name}")).collect();
    if list.is_empty() { "0".to_owned() } else { list.join(", ") }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
