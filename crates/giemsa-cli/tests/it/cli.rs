//! Properties of the command line as a whole.

use crate::folder::names_in;
use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn giemsa() -> Command {
    Command::cargo_bin("giemsa").unwrap()
}

fn stdout_of(arguments: &[&str]) -> String {
    let run = giemsa().args(arguments).assert().success();
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

/// Returns the names in the list of commands that `--help` prints.
fn commands() -> Vec<String> {
    let help = stdout_of(&["--help"]);
    let list = help.split("Start:\n").nth(1).and_then(|rest| rest.split("Options:").next()).unwrap();
    let names = list.lines().filter(|line| line.starts_with("  "));
    let names: Vec<String> = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.len() >= 18 && names.contains(&"fetch".to_owned()), "{help}");
    names
}

#[test]
fn groups_the_commands_by_workflow() {
    let help = stdout_of(&["--help"]);
    let headings = ["Start:", "Data:", "Train:", "Evaluate:", "Use:", "Other:", "Options:", "Examples:", "Exit codes:"];
    let positions = headings.map(|heading| help.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("{heading}")));
    assert!(positions.is_sorted(), "{help}");
}

#[test]
fn the_help_of_a_command_has_examples_and_the_footer() {
    for arguments in [["fetch", "--help"], ["help", "fetch"]] {
        let help = stdout_of(&arguments);
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        assert!(examples.starts_with("  giemsa fetch\n"), "{help}");
        assert!(help.ends_with("\nFor research use only, not for diagnosis.\n"), "{help}");
    }
}

#[test]
fn the_help_lists_the_exit_codes() {
    giemsa().arg("--help").assert().success().stdout(
        contains("Exit codes: 0 success, 1 failure, 2 usage error, 3 unusable data, 4 unusable model file,")
            .and(contains("For research use only, not for diagnosis.")),
    );
}

#[test]
fn prints_its_version() {
    giemsa().arg("--version").assert().success().stdout(format!("giemsa {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_exits_with_2_and_an_explanation() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "Usage:"),
        (&["--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["fetch", "--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["completions"], "<SHELL>"),
        (&["--threads", "0", "man"], "--threads"),
    ];
    for (arguments, expected) in cases {
        giemsa().args(arguments).assert().code(2).stdout("").stderr(contains(expected));
    }
}

#[test]
fn prints_no_colour_without_a_terminal() {
    let escape = contains("\x1b");
    for value in ["1", ""] {
        giemsa().env("NO_COLOR", value).arg("--help").assert().stdout(escape.clone().not());
        giemsa().env("NO_COLOR", value).arg("--frobnicate").assert().stderr(escape.clone().not());
    }
}

/// Needs the program `script`, which emulates a terminal; passes without it.
#[cfg(target_os = "linux")]
#[test]
fn prints_colour_on_a_terminal_unless_no_color_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let line = format!("{} man --out {}", assert_cmd::cargo::cargo_bin("giemsa").display(), taken.display());
    let on_terminal = |no_color: Option<&str>| {
        let mut script = std::process::Command::new("script");
        script.args(["--quiet", "--command", &line, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
        no_color.map(|value| script.env("NO_COLOR", value));
        script.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    match (on_terminal(None), on_terminal(Some("1"))) {
        (Ok(coloured), Ok(plain)) => {
            assert!(coloured.contains("\x1b[1;31merror:\x1b[0m"), "{coloured:?}");
            assert!(plain.contains("error:") && !plain.contains('\x1b'), "{plain:?}");
        }
        _ => eprintln!("skipped: `script` is not installed"),
    }
}

#[test]
fn completion_scripts_contain_every_command() {
    let commands = commands();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout_of(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
    }
}

/// Every installed shell parses its script without running it.
#[cfg(unix)]
#[test]
fn shells_accept_the_syntax_of_their_completion_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        std::fs::write(&path, stdout_of(&["completions", shell])).unwrap();
        match std::process::Command::new(shell).arg("-n").arg(&path).output() {
            Ok(output) => {
                assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Err(_) => eprintln!("skipped: {shell} is not installed"),
        }
    }
}

#[test]
fn prints_one_manual_page_or_writes_all() {
    let page = stdout_of(&["man"]);
    assert!(page.contains(".TH giemsa 1"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    giemsa().args(["man", "--out"]).arg(folder.path().join("man1")).assert().success().stdout("");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(read("giemsa.1").contains(".TH giemsa 1"));
    for command in commands() {
        let page = read(&format!("giemsa-{command}.1"));
        assert!(page.contains(&format!(".TH giemsa-{command} 1")), "{page}");
        let examples = page.split(".SH EXAMPLES\n.nf\n").nth(1).and_then(|rest| rest.split(".fi").next()).unwrap();
        // roff escapes hyphens.
        assert!(examples.replace("\\-", "-").contains(&format!("giemsa {command}")), "{page}");
    }
    assert_eq!(
        names_in(&folder.path().join("man1")).len(),
        1 + commands().len(),
        "one page per command and the program's"
    );
    assert!(!page.contains("giemsa\\-help(1)"), "refers only to pages that exist");
}

#[test]
fn prints_the_path_and_the_cause_of_an_error_once() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let run = giemsa().args(["man", "--out"]).arg(&taken).assert().code(1).stdout("");
    let stderr = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with(&format!("error: {}", taken.display())), "{stderr}");
    assert_eq!(stderr.matches("File exists").count(), 1, "{stderr}");
}

/// The reader of a pipe may close it early, as `head` does.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = command.args(["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    assert!(run.status.success(), "{:?}", run.status);
}
