//! `giemsa fetch`: downloads the NIH cell images.

use crate::print::{escaped, print_note, print_results};
use crate::{Context, Outcome, interrupted};
use giemsa::fetch::{self, FetchError, FetchSettings, Progress, RemoteFile};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa fetch
  giemsa fetch ~/malaria
  giemsa fetch --url https://mirror.example.org/Malaria/cell_images.zip

The data set has 27,558 images of the U.S. National Library of Medicine (Rajaraman et al. 2018, \
PeerJ 6:e4568): a download of 353 MB, and about the same again unpacked.
Running the command again resumes an interrupted download.";

/// Arguments of `giemsa fetch`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct FetchArgs {
    /// Folder for the folder cell_images
    #[arg(default_value = "data")]
    out: PathBuf,

    /// Address of the archive, such as a mirror
    #[arg(long, value_name = "URL", default_value = fetch::ARCHIVE_URL)]
    url: String,

    /// SHA-256 of another archive; the patient tables are not downloaded then
    #[arg(long, value_name = "HEX", requires = "size", value_parser = parse_sha256)]
    sha256: Option<String>,

    /// Size of the other archive in bytes
    #[arg(long, value_name = "BYTES", requires = "sha256")]
    size: Option<u64>,
}

/// Runs the command.
pub fn run(args: FetchArgs, context: &Context) -> anyhow::Result<Outcome> {
    let settings = match (args.sha256, args.size) {
        (Some(sha256), Some(bytes)) => {
            FetchSettings::for_archive(RemoteFile { url: args.url, bytes: Some(bytes), sha256 })
        }
        _ => FetchSettings::official(&args.url),
    };
    let mut display = Display::new(context);
    let fetched = fetch::fetch(&settings, &args.out, &mut |progress| {
        display.show(&progress);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    display.finish();
    match fetched {
        Ok(fetched) => {
            let state = if fetched.already_present { "already downloaded" } else { "downloaded" };
            let folder = escaped(fetched.folder.display());
            print_results(|out| writeln!(out, "{folder}: {} images, {state}", fetched.images))?;
            Ok(Outcome::Done)
        }
        Err(FetchError::Stopped) => {
            print_note("stopped; run the same command again to resume");
            Ok(Outcome::Interrupted)
        }
        Err(error) => Err(error.into()),
    }
}

fn parse_sha256(text: &str) -> Result<String, String> {
    let is_valid = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_valid { Ok(text.to_owned()) } else { Err("expected 64 hexadecimal digits".to_owned()) }
}

/// The progress display: a bar on a terminal, else a line for each tenth.
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
                    print_note(&line);
                    *last = line;
                }
            }
        }
    }

    fn finish(self) {
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
    let (message, done, total) = match progress {
        Progress::Downloading { bytes, total, .. } => ("downloading", *bytes, *total),
        Progress::Unpacking { entries, total } => ("unpacking", *entries as u64, Some(*total as u64)),
        Progress::Retrying { .. } => return bar.println(line(progress)),
    };
    if bar.message() != message {
        bar.reset();
        bar.set_style(if message == "unpacking" { unpacking_style() } else { bar_style() });
        bar.set_message(message);
        // A resumed part must not count for speed and remaining time.
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
                Some(total) => format!("downloading {name}: {} % of {total} bytes", percent_in_tens(*bytes, total)),
                None => format!("downloading {name}"),
            }
        }
        Progress::Unpacking { entries, total } => {
            format!("unpacking: {} % of {total} entries", percent_in_tens(*entries as u64, *total as u64))
        }
        Progress::Retrying { reason, pause } => {
            format!("{reason}; retrying in {:.0} s", pause.as_secs_f64())
        }
    }
}

/// Computes a percentage, rounded down to tens.
fn percent_in_tens(done: u64, total: u64) -> u64 {
    done * 10 / total.max(1) * 10
}
