//! The database by itself: its rules hold whatever the callers do.

use super::*;
use crate::case::{CaseVerdict, Content};
use crate::models::{Models, ServedModel};
use crate::problem::Problem;
use crate::settings::Settings;
use giemsa::model::Logits;
use std::path::Path;

fn model() -> Arc<ServedModel> {
    Models::load(&Settings::default().models).unwrap().default_model()
}

fn image(bytes: usize) -> NewImage {
    let file = StoredFile { media_type: "image/png".to_owned(), bytes: vec![7; bytes] };
    let content = Content::Cell(Logits { class: 1.0, red_cell: Some(2.0) });
    NewImage { name: "a.png".to_owned(), content, size: [20, 30], file }
}

fn verdict(image: i64, verdict: CaseVerdict, key: Option<&str>) -> NewVerdict {
    let (reviewer, key) = ("Ada".to_owned(), key.map(str::to_owned));
    NewVerdict { image, number: 1, frame_px: [0, 0, 20, 30], verdict, reviewer, key }
}

/// Calls a function with a database that contains a case with an image and a verdict, and with their numbers.
fn with_database(folder: &Path, work: impl FnOnce(&mut Database, [i64; 3])) {
    let store = Store::open(folder).unwrap();
    let run = |database: &mut Database| {
        let model = model();
        let case = database.create_case("Slide", &model)?.id;
        let image = database.add_image(case, &image(100), &model)?;
        let verdict = database.add_verdict(case, &verdict(image, CaseVerdict::Unsure, Some("k")))?.id;
        work(database, [case, image, verdict]);
        Ok(())
    };
    store.run_here(run).unwrap();
}

fn rows(database: &Database, table: &str) -> i64 {
    database.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn the_log_of_verdicts_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, verdict]| {
        let statements = [
            "UPDATE verdicts SET verdict = 'parasitized'".to_owned(),
            "UPDATE verdicts SET given_at = '2000-01-01'".to_owned(),
            format!("DELETE FROM verdicts WHERE id = {verdict}"),
            "DELETE FROM verdicts".to_owned(),
            format!(
                "INSERT OR REPLACE INTO verdicts (id, case_id, image_id, number, x, y, width, height, verdict, reviewer)
                VALUES ({verdict}, {case}, {image}, 1, 0, 0, 20, 30, 'parasitized', 'Eve')"
            ),
            format!(
                "INSERT OR REPLACE INTO verdicts (case_id, image_id, number, x, y, width, height, verdict, reviewer, client_key)
                VALUES ({case}, {image}, 1, 0, 0, 20, 30, 'parasitized', 'Eve', 'k')"
            ),
        ];
        let before = database.verdicts_of(case).unwrap();
        for statement in statements {
            let error = database.connection.execute_batch(&statement).unwrap_err().to_string();
            assert!(
                error.contains("verdicts do not change") || error.contains("verdicts stay"),
                "{statement}: {error}"
            );
            assert_eq!(database.verdicts_of(case).unwrap(), before);
        }
    });
}

#[test]
fn verdicts_are_of_objects_and_of_people() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, row]| {
        let insert = |columns: &str, values: &str| {
            format!(
                "INSERT INTO verdicts (case_id, image_id, number, x, y, width, height, {columns})
                VALUES ({case}, {image}, 1, 0, 0, 20, 30, {values})"
            )
        };
        let statements = [
            insert("verdict, reviewer", "'infected', 'Ada'"),
            insert("verdict, reviewer", "'unsure', ''"),
            insert("reviewer", "'Ada'"),
            insert("verdict, undoes, reviewer", &format!("'unsure', {row}, 'Ada'")),
            insert("undoes, reviewer", "999, 'Ada'"),
            insert("verdict, reviewer", "'unsure', 'Ada'")
                .replace(&format!("({case}, {image}"), &format!("({case}, 999")),
        ];
        for statement in statements {
            assert!(database.connection.execute_batch(&statement).is_err(), "{statement}");
        }
        database.undo_verdict(case, "Ada", None).unwrap();
        let twice = insert("undoes, reviewer", &format!("{row}, 'Ada'"));
        assert!(database.connection.execute_batch(&twice).is_err());
    });
}

#[test]
fn verdicts_go_with_their_image_and_their_case() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, _]| {
        let other = database.add_image(case, &self::image(10), &model()).unwrap();
        database.add_verdict(case, &verdict(other, CaseVerdict::Skip, None)).unwrap();
        database.undo_verdict(case, "Ada", None).unwrap();
        database.undo_verdict(case, "Ada", None).unwrap();
        database.delete_image(case, image).unwrap();
        // The row that is left, and the one that undoes it.
        assert_eq!((rows(database, "images"), rows(database, "verdicts")), (1, 2));
        database.delete_case(case).unwrap();
        assert_eq!((rows(database, "cases"), rows(database, "images"), rows(database, "verdicts")), (0, 0, 0));
    });
}

#[test]
fn a_key_is_that_of_one_request_per_case() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, first]| {
        let same = database.add_verdict(case, &verdict(image, CaseVerdict::Unsure, Some("k"))).unwrap();
        assert_eq!((same.id, rows(database, "verdicts")), (first, 1));
        let other = database.add_verdict(case, &verdict(image, CaseVerdict::Skip, Some("k"))).unwrap_err();
        assert!(matches!(other, StoreError::Conflict(_)), "{other}");
        let model = model();
        let second = database.create_case("Other", &model).unwrap().id;
        let image = database.add_image(second, &self::image(10), &model).unwrap();
        let row = database.add_verdict(second, &verdict(image, CaseVerdict::Unsure, Some("k"))).unwrap();
        assert!(row.id > first);
    });
}

#[test]
fn undoing_takes_the_last_verdict_of_the_reviewer() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, first]| {
        let second = database.add_verdict(case, &verdict(image, CaseVerdict::Parasitized, None)).unwrap().id;
        let bea = NewVerdict { reviewer: "Bea".to_owned(), ..verdict(image, CaseVerdict::Uninfected, None) };
        let third = database.add_verdict(case, &bea).unwrap().id;
        let mut undone = || database.undo_verdict(case, "Ada", None).map(|(row, undone)| (row.undoes, undone.id));
        assert_eq!(undone().unwrap(), (Some(second), second));
        assert_eq!(undone().unwrap(), (Some(first), first));
        assert!(matches!(undone(), Err(StoreError::Conflict(_))));
        let (row, _) = database.undo_verdict(case, "Bea", None).unwrap();
        assert_eq!((row.undoes, row.verdict, &row.reviewer[..]), (Some(third), None, "Bea"));
    });
}

#[test]
fn the_time_is_that_of_the_database_in_utc() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, ..]| {
        let given_at = database.verdicts_of(case).unwrap()[0].given_at.clone();
        let seconds = |text: &str| -> i64 {
            database.connection.query_row("SELECT unixepoch(?1)", [text], |row| row.get(0)).unwrap()
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((now - seconds(&given_at)).abs() < 60 && given_at.ends_with('Z'), "{given_at}");
    });
}

/// Limits the size of the database, in pages of 4096 bytes.
fn limit(database: &Database, pages: i64) {
    database.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, _]| {
        let pages: i64 = database.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        limit(database, pages + 2);
        let before = database.case(case).unwrap();
        let error = database.add_image(case, &self::image(100_000), &model()).unwrap_err();
        assert_eq!(error.to_string(), "the disk is full; nothing was stored");
        assert_eq!(Problem::from(error).status, 507);
        assert_eq!((database.case(case).unwrap(), rows(database, "images")), (before, 1));
        // What fits is stored, until nothing does.
        let mut stored = 1;
        let error = loop {
            match database.add_verdict(case, &verdict(image, CaseVerdict::Unsure, None)) {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(Problem::from(error).status, 507);
        assert_eq!(rows(database, "verdicts"), stored);
        limit(database, 1_000_000);
        database.add_image(case, &self::image(100_000), &model()).unwrap();
    });
}

#[test]
fn a_database_that_another_program_holds_or_that_is_read_only_is_a_problem_of_storage() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, _]| {
        database.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        let other = Connection::open(folder.path().join(DATABASE)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let new = verdict(image, CaseVerdict::Unsure, None);
        let problem = Problem::from(database.add_verdict(case, &new).unwrap_err());
        assert_eq!(
            (problem.status, &problem.detail[..]),
            (507, "another program holds the database; nothing was stored")
        );
        other.execute_batch("ROLLBACK").unwrap();
        database.connection.pragma_update(None, "query_only", true).unwrap();
        let problem = Problem::from(database.add_verdict(case, &new).unwrap_err());
        assert_eq!((problem.status, &problem.detail[..]), (507, "the database cannot be written; nothing was stored"));
        database.connection.pragma_update(None, "query_only", false).unwrap();
        assert_eq!(database.verdicts_of(case).unwrap().len(), 1);
    });
}

#[test]
fn a_log_that_another_program_reads_is_emptied_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(DATABASE.to_owned() + "-wal");
    let other = Connection::open(folder.path().join(DATABASE)).unwrap();
    with_database(folder.path(), |database, [case, ..]| {
        database.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        other.execute_batch("BEGIN; SELECT count(*) FROM cases").unwrap();
        let error = database.delete_case(case).unwrap_err();
        assert!(matches!(error, StoreError::LogInUse), "{error}");
        assert!(matches!(database.case(case), Err(StoreError::NotFound(_))));
        assert!(log.metadata().unwrap().len() > 0);
    });
    other.execute_batch("ROLLBACK").unwrap();
    let _store = Store::open(folder.path()).unwrap();
    assert_eq!(log.metadata().unwrap().len(), 0);
}

#[test]
fn images_are_parsed_once_until_they_change() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, _]| {
        let parsed = |database: &mut Database| {
            let row = database.case(case).unwrap();
            database.parsed_images(&row).unwrap()
        };
        let first = parsed(database);
        database.add_verdict(case, &verdict(image, CaseVerdict::Unsure, None)).unwrap();
        assert!(Arc::ptr_eq(&first, &parsed(database)));
        database.add_refused(case, "b", "no image").unwrap();
        let second = parsed(database);
        assert_eq!((second.cells.len(), second.refused.len()), (1, 1));
        database.delete_image(case, image).unwrap();
        assert!(parsed(database).cells.is_empty());
    });
}

#[test]
fn a_damaged_content_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    with_database(folder.path(), |database, [case, image, _]| {
        database.connection.execute_batch("UPDATE images SET content = '{\"class\": 1'").unwrap();
        let row = database.case(case).unwrap();
        let error = database.parsed_images(&row).unwrap_err();
        assert!(error.to_string().starts_with(&format!("image {image} cannot be read")), "{error}");
    });
}
