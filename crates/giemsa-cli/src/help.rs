//! The help texts: commands grouped by workflow, and the footer that all commands share.

use crate::Cli;
use clap::{Command, CommandFactory};
use giemsa::RESEARCH_ONLY;

/// Headings of `giemsa --help`, with the subcommands below each, in the order of a typical workflow.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Start", &["demo", "fetch"]),
    ("Data", &["stats", "show", "split", "cut", "cells"]),
    ("Train", &["train", "cross-validate", "pretrain", "summary"]),
    ("Evaluate", &["evaluate", "compare", "calibrate"]),
    ("Use", &["serve", "predict", "count", "explain", "info"]),
    ("Exchange", &["export", "import"]),
    ("Other", &["bench", "completions", "man"]),
];

/// Builds the command line with its complete help texts.
///
/// clap has no headings for subcommands, so the list of commands is part of the help template.
pub fn command() -> Command {
    let command = Cli::command();
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{}{}\n{{options}}{{after-help}}",
        grouped_commands(&command),
        heading(&command, "Options"),
    );
    with_footer(command.help_template(template)).mut_subcommands(with_footer)
}

/// Lists the subcommands below their headings, each with its description.
fn grouped_commands(command: &Command) -> String {
    let widest = command.get_subcommands().map(|subcommand| subcommand.get_name().len()).max().unwrap_or_default();
    let row = |name: &&str| {
        let about = command.find_subcommand(name).and_then(Command::get_about);
        let style = command.get_styles().get_literal();
        let padding = " ".repeat(widest - name.len());
        format!("  {style}{name}{style:#}{padding}  {}\n", about.map(ToString::to_string).unwrap_or_default())
    };
    let group = |(title, names): (&str, &[&str])| {
        // A program without the feature `serve` lacks a command.
        let present = names.iter().filter(|name| command.find_subcommand(name).is_some());
        format!("{}\n{}\n", heading(command, title), present.map(row).collect::<String>())
    };
    GROUPS.into_iter().map(group).collect()
}

/// Returns a heading in the style of clap's own.
fn heading(command: &Command, title: &str) -> String {
    let style = command.get_styles().get_header();
    format!("{style}{title}:{style:#}")
}

/// Appends the footer to the text that follows the options.
fn with_footer(command: Command) -> Command {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_help(format!("{text}\n\n{RESEARCH_ONLY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help_of(command: &mut Command) -> String {
        command.render_help().to_string()
    }

    /// Returns the commands of the lines that help shows as examples, without comments and without what other programs
    /// do in a pipe.
    fn examples_in(help: &str) -> Vec<Vec<String>> {
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        let lines = examples.lines().take_while(|line| line.starts_with("  "));
        let commands = lines.flat_map(|line| line.split('|')).map(|part| words(part.trim()));
        commands.filter(|words| words.first().is_some_and(|word| word == "giemsa")).collect()
    }

    /// Splits a command as a shell does, up to a comment or a redirection.
    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c != ' ') {
            rest = &rest[start..];
            if rest.starts_with(['#', '>']) {
                break;
            }
            let (quote, end) = match rest.strip_prefix('\'') {
                Some(quoted) => (1, 1 + quoted.find('\'').expect("a closing quote")),
                None => (0, rest.find(' ').unwrap_or(rest.len())),
            };
            words.push(rest[quote..end].to_owned());
            rest = &rest[end + quote..];
        }
        words
    }

    #[test]
    fn splits_examples_like_a_shell() {
        assert_eq!(words("giemsa predict 'a b/*.png'  c > out.csv"), ["giemsa", "predict", "a b/*.png", "c"]);
        let help = "x\n\nExamples:\n  find . | giemsa predict -   # all\n  jq .\n\nNot an example: giemsa x";
        assert_eq!(examples_in(help), [["giemsa", "predict", "-"]]);
    }

    #[test]
    fn lists_every_command_exactly_once() {
        let program = command();
        let is_built_in = |name: &&str| *name != "serve" || cfg!(feature = "serve");
        let names = GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
        let mut listed: Vec<&str> = names.filter(is_built_in).collect();
        let mut commands: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
        assert_eq!(listed, commands, "the variants of `Command` are in the order of the groups");
        listed.dedup();
        commands.dedup();
        assert_eq!(listed.len(), commands.len());
        let help = help_of(&mut command());
        for name in commands {
            let lines = help.lines().filter(|line| line.starts_with(&format!("  {name} "))).count();
            assert_eq!(lines, 1, "{name}:\n{help}");
        }
    }

    #[test]
    fn descriptions_are_one_line_of_a_terminal() {
        let help = help_of(&mut command());
        let commands = help.split("Start:\n").nth(1).and_then(|rest| rest.split("Options:").next()).expect("groups");
        for line in commands.lines() {
            assert!(line.chars().count() <= 80 && !line.ends_with([' ', '.']), "{line:?}");
        }
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        for subcommand in command().get_subcommands_mut() {
            let name = subcommand.get_name().to_owned();
            let examples = examples_in(&help_of(subcommand));
            assert!(!examples.is_empty(), "{name} has no examples");
            for example in examples {
                assert_eq!(example[1], name, "{example:?}");
                command().try_get_matches_from(&example).unwrap_or_else(|error| panic!("{example:?}: {error}"));
            }
        }
        for example in examples_in(&help_of(&mut command())) {
            command().try_get_matches_from(&example).unwrap_or_else(|error| panic!("{example:?}: {error}"));
        }
    }

    #[test]
    fn every_help_text_ends_with_the_footer() {
        let mut helps: Vec<String> = command().get_subcommands_mut().map(help_of).collect();
        assert!(helps.iter().all(|help| !help.contains("Exit codes")), "only the help of the program lists them");
        helps.push(help_of(&mut command()));
        for help in helps {
            assert!(help.ends_with(&format!("\n\n{RESEARCH_ONLY}\n")), "{help}");
            assert_eq!(help.matches(RESEARCH_ONLY).count(), 1, "{help}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
