//! `giemsa completions`: scripts that let a shell complete commands and flags.

use crate::{Context, Outcome, help};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  giemsa completions bash > ~/.local/share/bash-completion/completions/giemsa
  giemsa completions zsh > ~/.zfunc/_giemsa
  giemsa completions fish > ~/.config/fish/completions/giemsa.fish";

/// Arguments of `giemsa completions`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints the script.
pub fn run(args: CompletionsArgs, _: &Context) -> anyhow::Result<Outcome> {
    // clap_complete panics where it cannot write, so it writes into memory first.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "giemsa", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Outcome::Done)
}
