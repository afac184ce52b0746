//! `giemsa fetch`: the official cell images.

use crate::{Context, Outcome, interrupted};
use giemsa::fetch::{self, FetchError, Order, Progress, Remote};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa fetch
  giemsa fetch ~/malaria
  giemsa fetch --url https://mirror.example.org/Malaria/cell_images.zip

It brings 27,558 images (353 MB, unpacked about as much again), courtesy of the U.S.
National Library of Medicine (Rajaraman et al. 2018, PeerJ 6:e4568).
A download that was cut off goes on where it stopped.";

/// Arguments of `giemsa fetch`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FetchArgs {
    /// The folder in which `cell_images` appears.
    #[arg(default_value = "data")]
    out: PathBuf,

    /// Fetch the archive from this mirror.
    #[arg(long, value_name = "URL", default_value = fetch::ARCHIVE_URL)]
    url: String,

    /// Expect another archive of this SHA-256; the patient tables of the official one are then left out.
    #[arg(long, value_name = "HEX", requires = "size", value_parser = sha256)]
    sha256: Option<String>,

    /// The size of that other archive in bytes.
    #[arg(long, value_name = "BYTES", requires = "sha256")]
    size: Option<u64>,
}

/// Fetches, or says that it is all there.
pub fn run(args: FetchArgs, context: &Context) -> anyhow::Result<Outcome> {
    let order = match (args.sha256, args.size) {
        (Some(sha256), Some(bytes)) => Order::archive_alone(Remote { url: args.url, bytes: Some(bytes), sha256 }),
        _ => Order::official(&args.url),
    };
    let mut display = Display::new(context);
    let fetched = fetch::fetch(&order, &args.out, &mut |progress| {
        display.show(&progress);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    display.end();
    match fetched {
        Ok(fetched) => {
            let state = if fetched.was_there { "were there already" } else { "fetched" };
            writeln!(std::io::stdout(), "{}: {} images, {state}", fetched.folder.display(), fetched.files)?;
            Ok(Outcome::Done)
        }
        Err(FetchError::Stopped) => {
            eprintln!("stopped; run the same command again to go on");
            Ok(Outcome::Interrupted)
        }
        Err(error) => Err(error.into()),
    }
}

fn sha256(text: &str) -> Result<String, String> {
    let right = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if right { Ok(text.to_owned()) } else { Err("expected 64 hexadecimal digits".to_owned()) }
}

/// Where the user sees how far it is: a bar on a terminal, else a line each tenth.
enum Display {
    Quiet,
    Bar(ProgressBar),
    Lines { last: String },
}

impl Display {
    fn new(context: &Context) -> Display {
        if context.quiet {
            Display::Quiet
        } else if std::io::stderr().is_terminal() {
            Display::Bar(ProgressBar::new(0).with_style(bar_style()))
        } else {
            Display::Lines { last: String::new() }
        }
    }

    fn show(&mut self, progress: &Progress) {
        match self {
            Display::Quiet => {}
            Display::Bar(bar) => show_on_bar(bar, progress),
            Display::Lines { last } => {
                let line = line(progress);
                if line != *last {
                    eprintln!("{line}");
                    *last = line;
                }
            }
        }
    }

    fn end(self) {
        if let Display::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn bar_style() -> ProgressStyle {
    let template = "{msg:12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn unpacking_style() -> ProgressStyle {
    let template = "{msg:12} {wide_bar} {pos}/{len} {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn show_on_bar(bar: &ProgressBar, progress: &Progress) {
    let (doing, done, total) = match progress {
        Progress::Downloading { bytes, total, .. } => ("downloading", *bytes, *total),
        Progress::Unpacking { entries, total } => ("unpacking", *entries as u64, Some(*total as u64)),
        Progress::Retrying { .. } => return bar.println(line(progress)),
    };
    if bar.message() != doing {
        bar.reset();
        bar.set_style(if doing == "unpacking" { unpacking_style() } else { bar_style() });
        bar.set_message(doing);
        // The start may have been there already: speed and time left are of what comes now.
        bar.set_position(done);
        bar.reset_eta();
    }
    bar.set_length(total.unwrap_or(done));
    bar.set_position(done);
}

fn line(progress: &Progress) -> String {
    match progress {
        Progress::Downloading { url, bytes, total } => {
            let name = url.rsplit('/').next().unwrap_or(url);
            match total.filter(|&total| total > 0) {
                Some(total) => format!("downloading {name}: {} % of {total} bytes", tenths(*bytes, total)),
                None => format!("downloading {name}"),
            }
        }
        Progress::Unpacking { entries, total } => {
            format!("unpacking: {} % of {total} entries", tenths(*entries as u64, *total as u64))
        }
        Progress::Retrying { reason, pause } => {
            format!("{reason}; trying again in {:.0} s", pause.as_secs_f64())
        }
    }
}

/// Per cent, rounded down to tens.
fn tenths(done: u64, total: u64) -> u64 {
    done * 10 / total.max(1) * 10
}
