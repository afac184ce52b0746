//! `giemsa man`: manual pages with the same text as `--help`.

use crate::data::ForceArgs;
use crate::print::print_results;
use crate::{Context, Outcome, help};
use anyhow::Context as _;
use giemsa::output::write_atomically;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa man | man -l -
  giemsa man --out ~/.local/share/man/man1";

/// Arguments of `giemsa man`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// Write the manual pages of all commands into this folder: giemsa.1, giemsa-demo.1, …; earlier ones are replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Prints the manual page of the program, or writes those of all commands.
pub fn run(args: ManArgs, _: &Context) -> anyhow::Result<Outcome> {
    let mut program = help::command().disable_help_subcommand(true);
    program.build();
    match args.out {
        None => {
            let page = page(program)?;
            print_results(|out| out.write_all(page.as_bytes()))?;
        }
        Some(folder) => write_pages(program, &folder, args.force)?,
    }
    Ok(Outcome::Done)
}

fn write_pages(program: clap::Command, folder: &Path, force: ForceArgs) -> anyhow::Result<()> {
    let commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
    let commands: Vec<clap::Command> = std::iter::once(program).chain(commands).collect();
    // The display name of a subcommand is `giemsa-fetch` once the program is built.
    let name = |command: &clap::Command| command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let paths: Vec<PathBuf> = commands.iter().map(|command| folder.join(format!("{}.1", name(command)))).collect();
    force.check(&paths, &[])?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (command, path) in commands.into_iter().zip(paths) {
        let page = page(command)?;
        write_atomically(&path, |file| file.write_all(page.as_bytes())).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Renders a manual page.
fn page(command: clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(with_examples_section(&String::from_utf8(page)?))
}

/// Puts the examples in a section of their own, with one line per command: clap_mangen prints them below "EXTRA" and as
/// filled text.
fn with_examples_section(page: &str) -> String {
    let Some((before, extra)) = page.split_once(".SH EXTRA\nExamples:\n") else { return page.to_owned() };
    let (examples, after) = extra.split_once("\n\n").unwrap_or((extra, ""));
    format!("{before}.SH EXAMPLES\n.nf\n{examples}\n.fi\n.PP\n{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_lines_of_examples() {
        let page = ".SH NAME\ngiemsa\n.SH EXTRA\nExamples:\n  giemsa a\n  giemsa b\n\nA text.\n.SH VERSION\n";
        let expected = ".SH NAME\ngiemsa\n.SH EXAMPLES\n.nf\n  giemsa a\n  giemsa b\n.fi\n.PP\nA text.\n.SH VERSION\n";
        assert_eq!(with_examples_section(page), expected);
        assert_eq!(with_examples_section("no examples"), "no examples");
    }
}
