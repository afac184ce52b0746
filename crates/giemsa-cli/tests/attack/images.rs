//! Broken images: decoded one by one, and by the program in folders.

mod large;

use crate::Size;
use crate::cells::cell;
use crate::mutation::{Random, fix_png_checksums, mutate};
use crate::table::Row;
use giemsa::image::decode_bytes;
use image::ImageFormat;
use std::io::Cursor;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The most memory that the program may use for a folder of broken images.
const MAX_MEMORY_KB: u64 = 256 << 10;
/// Files per folder.
const FOLDER_FILES: usize = 5_000;

/// Attacks the decoders, then the program.
pub fn attack(size: Size) -> Vec<Row> {
    let seeds = seeds();
    let mut rows = vec![decode(&seeds, size.of(4_000, 100_000)), predict(&seeds, size.of(300, 100_000))];
    if size == Size::Full {
        rows.push(large::attack());
    }
    rows
}

/// Returns intact files of every format and colour mode.
fn seeds() -> Vec<Vec<u8>> {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/reference/image_golden.json")).unwrap();
    let from_hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    };
    let files = golden["files"].as_array().unwrap().iter().map(|case| from_hex(case["file"].as_str().unwrap()));
    let drawn = [ImageFormat::Png, ImageFormat::Bmp].map(|format| {
        let mut bytes = Cursor::new(Vec::new());
        cell(true, 7).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    });
    files.chain(drawn).collect()
}

/// Returns the broken file of a number.
fn broken(seeds: &[Vec<u8>], number: usize) -> Vec<u8> {
    let mut random = Random::new(number as u64);
    let mut bytes = mutate(&seeds[number % seeds.len()], &mut random);
    if random.below(4) > 0 && bytes.starts_with(b"\x89PNG") {
        fix_png_checksums(&mut bytes);
    }
    bytes
}

fn decode(seeds: &[Vec<u8>], count: usize) -> Row {
    let mut row = Row::new("images, decoded in memory");
    for number in 0..count {
        let bytes = broken(seeds, number);
        let name = format!("image {number}");
        row.count(&name, || decode_bytes(&bytes, Path::new("cell.png")));
    }
    row
}

/// Lets the program classify folders of broken files, and checks that each file has its row.
fn predict(seeds: &[Vec<u8>], count: usize) -> Row {
    let mut row = Row::new("images, `giemsa predict` on folders");
    for first in (0..count).step_by(FOLDER_FILES) {
        let folder = tempfile::tempdir().unwrap();
        let files = FOLDER_FILES.min(count - first);
        for number in first..first + files {
            std::fs::write(folder.path().join(format!("{number}.png")), broken(seeds, number)).unwrap();
        }
        predict_folder(&mut row, folder.path(), files);
    }
    row
}

/// Lets the program classify the images of a folder, and checks its rows and its memory.
fn predict_folder(row: &mut Row, folder: &Path, files: usize) {
    let start = Instant::now();
    let run = run(Command::new(env!("CARGO_BIN_EXE_giemsa")).args(["predict", "--format", "csv"]).arg(folder));
    row.inputs += files;
    row.longest = row.longest.max(start.elapsed());
    row.peak_memory_mb = row.peak_memory_mb.max(run.peak_memory_kb >> 10);
    let rows = csv::Reader::from_reader(&run.stdout[..]).records().map(Result::unwrap).collect::<Vec<_>>();
    let refused = rows.iter().filter(|record| !record[4].is_empty()).count();
    row.refused += refused;
    row.accepted += rows.len() - refused;
    if rows.len() != files {
        row.faults.push(format!("{} rows for {files} files", rows.len()));
    }
    if !matches!(run.code, Some(0 | 3 | 5)) {
        row.faults.push(format!("exit code {:?}: {}", run.code, String::from_utf8_lossy(&run.stderr)));
    }
    if run.peak_memory_kb > MAX_MEMORY_KB {
        row.faults.push(format!("{} KB of memory", run.peak_memory_kb));
    }
}

/// The result of a program.
struct Run {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// The most memory it used; 0 where the system does not report it.
    peak_memory_kb: u64,
}

/// Runs a program, and records its memory until it ends.
fn run(command: &mut Command) -> Run {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
    let mut peak_memory_kb = 0;
    let code = loop {
        peak_memory_kb = peak_memory_kb.max(peak_memory_of(&child));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Run { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), peak_memory_kb }
}

/// Reads a stream to its end on a thread.
fn read_all(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Reads the peak memory of a running program from `/proc`.
fn peak_memory_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
