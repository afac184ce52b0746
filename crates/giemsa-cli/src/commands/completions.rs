//! `giemsa completions`: completion scripts for shells.

use crate::print::print_results;
use crate::{Context, Outcome, help};

const EXAMPLES: &str = "\
Examples:
  giemsa completions bash > ~/.local/share/bash-completion/completions/giemsa
  giemsa completions zsh > ~/.zfunc/_giemsa                                   # a folder in $fpath
  giemsa completions fish > ~/.config/fish/completions/giemsa.fish";

/// Arguments of `giemsa completions`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// Shell to complete commands in.
    shell: clap_complete::Shell,
}

/// Prints the completion script.
pub fn run(args: CompletionsArgs, _: &Context) -> anyhow::Result<Outcome> {
    // clap_complete panics on a write error, so the script is generated in memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "giemsa", &mut script);
    print_results(|out| out.write_all(&script))?;
    Ok(Outcome::Done)
}
