//! Sends images of cells to a server, and prints how it holds: capacity, latency, overload, and what is lost when it is stopped.
//!
//!     giemsa-load giemsa PROGRAM CELLS             starts `PROGRAM serve` by itself; fails if a request is lost
//!     giemsa-load compare PROGRAM CELLS NAME=ADDRESS...    capacity of `PROGRAM serve` and of other servers, in turn
//!
//! CELLS is a folder; every file in it and in its folders is sent. The environment variables REQUESTS, CONNECTIONS, DURATION_S
//! and STOPS change the amounts. `run.sh` draws the cells and calls this program.

mod cells;
mod client;
mod load;
mod measure;
mod server;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_met = match arguments[..] {
        ["giemsa", program, cells] => measure::giemsa(program, cells),
        ["compare", program, cells, ref peers @ ..] if !peers.is_empty() => measure::compare(program, cells, peers),
        _ => {
            eprintln!(
                "usage: giemsa-load giemsa PROGRAM CELLS\n       giemsa-load compare PROGRAM CELLS NAME=ADDRESS..."
            );
            return ExitCode::from(2);
        }
    };
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
