//! The results of the attacks, as a Markdown table.

use std::cell::Cell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::time::{Duration, Instant};

thread_local! {
    /// Whether the thread runs an input whose panic is counted.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
}

/// Hides the messages of panics that are counted as faults.
pub fn hide_counted_panics() {
    let print = take_hook();
    set_hook(Box::new(move |panic| {
        if !COUNTING.get() {
            print(panic);
        }
    }));
}

/// The longest time that one input may take.
const MAX_TIME: Duration = Duration::from_secs(2);

/// The result of one attack.
#[derive(Default)]
pub struct Row {
    /// What was attacked.
    pub attack: &'static str,
    /// Number of inputs.
    pub inputs: usize,
    /// Inputs that were accepted, or runs that were completed.
    pub accepted: usize,
    /// Inputs that were refused with an error.
    pub refused: usize,
    /// The longest time for one input; of a folder of images, for all of them.
    pub longest: Duration,
    /// The most memory of the program; 0 if it was not measured.
    pub peak_memory_mb: u64,
    /// Descriptions of what must not happen: a panic, a hang, a lost row, other bytes.
    pub faults: Vec<String>,
}

impl Row {
    /// Returns a row without inputs.
    pub fn new(attack: &'static str) -> Row {
        Row { attack, ..Row::default() }
    }

    /// Counts an input: runs it, and records a panic or a time above two seconds as a fault.
    pub fn count<T, E: std::fmt::Display>(&mut self, name: &str, run: impl FnOnce() -> Result<T, E>) -> Option<T> {
        let start = Instant::now();
        COUNTING.set(true);
        let result = catch_unwind(AssertUnwindSafe(run));
        COUNTING.set(false);
        let elapsed = start.elapsed();
        self.inputs += 1;
        self.longest = self.longest.max(elapsed);
        if elapsed > MAX_TIME {
            self.faults.push(format!("{name}: took {:.1} s", elapsed.as_secs_f64()));
        }
        match result {
            Ok(Ok(value)) => {
                self.accepted += 1;
                return Some(value);
            }
            Ok(Err(error)) => {
                self.refused += 1;
                if error.to_string().is_empty() {
                    self.faults.push(format!("{name}: an error without a message"));
                }
            }
            Err(_) => self.faults.push(format!("{name}: panicked")),
        }
        None
    }
}

/// Faults that are listed below the table.
const LISTED: usize = 20;

/// Formats the rows as a table, followed by the first faults.
pub fn format(rows: &[Row]) -> String {
    let mut text =
        "\n| attack | inputs | accepted | refused | longest (ms) | memory (MB) | faults |\n|---|---|---|---|---|---|---|\n".to_owned();
    for Row { attack, inputs, accepted, refused, longest, peak_memory_mb, faults } in rows {
        let memory = if *peak_memory_mb == 0 { String::new() } else { peak_memory_mb.to_string() };
        let (longest, faults) = (longest.as_millis(), faults.len());
        let _ = writeln!(text, "| {attack} | {inputs} | {accepted} | {refused} | {longest} | {memory} | {faults} |");
    }
    for (row, fault) in rows.iter().flat_map(|row| row.faults.iter().map(move |fault| (row, fault))).take(LISTED) {
        let _ = writeln!(text, "fault in {}: {fault}", row.attack);
    }
    text
}
