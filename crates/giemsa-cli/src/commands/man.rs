//! `giemsa man`: the manual pages, made from the same text as `--help`.

use crate::{Context, Outcome, help};
use anyhow::Context as _;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa man | man -l -
  giemsa man --out ~/.local/share/man/man1";

/// Arguments of `giemsa man`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// Write the pages of all commands (`giemsa.1`, `giemsa-fetch.1`, …) into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the page of the program, or writes all pages.
pub fn run(args: ManArgs, _: &Context) -> anyhow::Result<Outcome> {
    let mut program = help::command();
    program.build();
    match args.out {
        None => std::io::stdout().write_all(&page(program)?)?,
        Some(folder) => write_pages(program, &folder)?,
    }
    Ok(Outcome::Done)
}

fn write_pages(program: clap::Command, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let commands = program.get_subcommands().filter(|c| c.get_name() != "help").cloned().collect::<Vec<_>>();
    for command in std::iter::once(program).chain(commands) {
        // The full name of a subcommand is `giemsa-fetch` once the program is built.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        let page = page(command)?;
        giemsa::files::write_whole(&path, |file| file.write_all(&page))
            .with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

fn page(command: clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}
