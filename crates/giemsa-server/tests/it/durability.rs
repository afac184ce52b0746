//! What is stored survives, and what is deleted does not.

use crate::case::{Case, PARASITIZED, is_problem, router_on, smear, smear_png};
use giemsa::model::Model;
use giemsa::smear::{Verdict, count_slide, find_cells, review_slide};
use giemsa_server::store::{DATABASE, StoreError};
use giemsa_server::{ModelSource, ServeError, Server, Settings, app};
use serde_json::json;
use std::fs;
use std::path::Path;

fn settings(folder: &Path) -> Settings {
    Settings { data: Some(folder.to_owned()), ..Settings::default() }
}

/// Returns whether one of the files in a folder contains these bytes.
fn contains(folder: &Path, bytes: &[u8]) -> bool {
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|content| content.windows(bytes.len()).any(|window| window == bytes))
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = Case::create(&router_on(folder.path()), "Slide").await;
    let images = first.add(&[("a.png", &smear_png(0)), ("cell.png", PARASITIZED), ("no.png", b"text")]).await;
    for (image, number, verdict) in
        [(images[0], 3, "parasitized"), (images[1], 1, "not_a_cell"), (images[0], 4, "skip")]
    {
        first.give(image, number, verdict).await;
    }
    first.undo("Ada").await;
    first.send(axum::http::Method::PATCH, "", &json!({"threshold": 0.25})).await;
    let parts = ["", "/verdicts", "/review", "/export/cells.csv", &format!("/objects?image={}", images[0])];
    let mut before = Vec::new();
    for part in parts {
        before.push(first.get(part).await.body);
    }
    let path = first.path.clone();
    drop(first);
    let again = Case { router: router_on(folder.path()), path };
    for (part, before) in parts.iter().zip(before) {
        assert_eq!(again.get(part).await.body, before, "{part}");
    }
}

/// Without a WAL, or with one that is not in the database yet.
#[tokio::test]
async fn nothing_of_a_deleted_case_or_image_remains_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let router = router_on(folder.path());
    let kept = Case::create(&router, "KEPT-NAME-1").await;
    kept.add(&[("KEPT-FILE-1", PARASITIZED)]).await;
    let case = Case::create(&router, "SECRET-NAME-1").await;
    let photograph = smear_png(0);
    // The middle of the compressed pixels, shorter than a page of the database.
    let pixels = &photograph[photograph.len() / 2..][..100];
    let images =
        case.add(&[("SECRET-FILE-1", &photograph), ("SECRET-FILE-2", PARASITIZED), ("SECRET-FILE-3", b"x")]).await;
    let body = json!({"image": images[1], "number": 1, "verdict": "unsure", "reviewer": "SECRET-REVIEWER-1", "key": "SECRET-KEY-1"});
    assert_eq!(case.send(axum::http::Method::POST, "/verdicts", &body).await.status, 201);
    let markers: [&[u8]; 7] = [
        b"SECRET-NAME-1",
        b"SECRET-FILE-1",
        b"SECRET-FILE-2",
        b"SECRET-FILE-3",
        b"SECRET-REVIEWER-1",
        b"SECRET-KEY-1",
        pixels,
    ];
    for marker in markers {
        assert!(contains(folder.path(), marker), "{:?}", String::from_utf8_lossy(marker));
    }
    assert_eq!(case.delete(&format!("/images/{}", images[0])).await.status, 204);
    assert!(!contains(folder.path(), pixels) && !contains(folder.path(), b"SECRET-FILE-1"));
    assert_eq!(case.delete("").await.status, 204);
    for marker in markers {
        assert!(!contains(folder.path(), marker), "{:?}", String::from_utf8_lossy(marker));
    }
    assert!(contains(folder.path(), b"KEPT-NAME-1") && contains(folder.path(), b"KEPT-FILE-1"));
    assert!(contains(folder.path(), &PARASITIZED[PARASITIZED.len() / 2..][..100]));
}

#[tokio::test]
async fn the_space_of_a_deleted_case_returns_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let router = router_on(folder.path());
    Case::create(&router, "First").await.add(&[("a.png", PARASITIZED)]).await;
    let bytes =
        || -> u64 { fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum() };
    let case = Case::create(&router, "Second").await;
    case.delete("").await;
    let before = bytes();
    let case = Case::create(&router, "Third").await;
    case.add(&[("a.png", &smear_png(0)), ("b.png", &smear_png(1))]).await;
    assert!(bytes() > before + 500_000);
    assert_eq!(case.delete("").await.status, 204);
    assert!(bytes() < before + 100_000, "{} {before}", bytes());
}

#[test]
fn a_second_server_on_a_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(settings(folder.path())).unwrap();
    let error = Server::start(settings(folder.path())).unwrap_err();
    assert!(matches!(error, ServeError::Store(StoreError::InUse { .. })), "{error}");
    assert!(error.to_string().ends_with("another server uses this folder"), "{error}");
    drop(first);
    Server::start(settings(folder.path())).unwrap();
}

/// Starts a server on a folder whose database has this content. It must refuse to start, and leave the file as it is.
#[track_caller]
fn refused(folder: &Path, content: &[u8]) -> String {
    let path = folder.join(DATABASE);
    fs::write(&path, content).unwrap();
    let error = Server::start(settings(folder)).unwrap_err().to_string();
    assert!(fs::read(&path).unwrap() == content, "{error}: the file has changed");
    let log = folder.join(DATABASE.to_owned() + "-wal");
    assert!(log.metadata().is_ok_and(|metadata| metadata.len() == 0) || !log.exists(), "{error}: there is a log");
    error
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case::create(&router_on(folder.path()), "Slide").await;
    let image = case.add(&[("a.png", PARASITIZED)]).await[0];
    for _ in 0..200 {
        case.give(image, 1, "unsure").await;
    }
    drop(case);
    let intact = fs::read(folder.path().join(DATABASE)).unwrap();
    let mut overwritten = intact.clone();
    overwritten[..100].fill(7);
    assert!(refused(folder.path(), &overwritten).contains("expected a database of cases, found something else"));
    assert!(
        refused(folder.path(), &intact[..intact.len() / 2])
            .contains("expected a database of cases, found a damaged one")
    );
    // A page of verdicts.
    let page = intact.windows(3).rposition(|window| window == b"Ada").unwrap() / 4096;
    let mut overwritten = intact.clone();
    overwritten[page * 4096..][..4096].fill(7);
    assert!(refused(folder.path(), &overwritten).contains("expected a database of cases, found a damaged one"));
    assert!(refused(folder.path(), b"a text of somebody").contains("found something else"));
    fs::write(folder.path().join(DATABASE), &intact).unwrap();
    Server::start(settings(folder.path())).unwrap();
}

#[test]
fn databases_of_other_programs_and_of_later_versions_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE);
    let write = |statement: &str| {
        rusqlite::Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        fs::read(&path).unwrap()
    };
    let other = write("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')");
    assert!(refused(folder.path(), &other).contains("found a database of another program"));
    fs::remove_file(&path).unwrap();
    drop(Server::start(settings(folder.path())).unwrap());
    let later = write("PRAGMA user_version = 7");
    assert!(
        refused(folder.path(), &later).contains("a later version of giemsa wrote this database (format 7, expected 1)")
    );
}

#[test]
fn a_data_folder_that_cannot_be_used_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Server::start(settings(&file)).unwrap_err();
    assert!(matches!(error, ServeError::Store(StoreError::Folder { .. })), "{error}");
}

#[cfg(unix)]
#[test]
fn other_users_cannot_read_a_new_folder_or_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new").join("data");
    let _server = Server::start(settings(&data)).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join(DATABASE)), mode(&data.join("cases.sqlite-wal"))), (0o700, 0o600, 0o600));
}

#[test]
fn what_a_killed_export_left_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("giemsa-export-x");
    fs::create_dir_all(left.join("cells")).unwrap();
    let _server = Server::start(settings(folder.path())).unwrap();
    assert!(!left.exists());
}

/// The built-in model with another bias, so that its logits are others.
fn other_model(path: &Path) -> Model {
    let mut model = Model::embedded().unwrap();
    let mut weights = model.network.weights();
    weights.last_mut().unwrap().values[0] -= 1.0;
    model.network.set_weights(&weights).unwrap();
    model.save(path).unwrap();
    model
}

#[tokio::test]
async fn a_case_of_another_model_is_stale_until_it_is_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("other.safetensors"));
    let first = Case::create(&router_on(&data), "Slide").await;
    let images = first.add(&[("a.png", &smear_png(0)), ("cell.png", PARASITIZED)]).await;
    first.give(images[0], 2, "parasitized").await;
    let before = first.json("").await;
    let path = first.path.clone();
    drop(first);

    let model = other_model(&file);
    let models = vec![ModelSource { name: "other".to_owned(), path: Some(file) }];
    let router = app(Server::start(Settings { models, ..settings(&data) }).unwrap());
    let case = Case { router: router.clone(), path };
    let stale = case.json("").await;
    assert_eq!((&stale["is_stale"], &stale["model"]), (&json!(true), &before["model"]));
    assert_eq!(stale["photographs"], before["photographs"]);
    let answer = crate::request::send(
        &router,
        crate::request::post(&format!("{}/images?name=b.png", case.path), "image/png", PARASITIZED),
    )
    .await;
    is_problem(&answer, 409, "case 1 was counted with the model 'compact'; count it again first");

    let answer = case.post("/recount").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let recounted = answer.json();
    assert_eq!((&recounted["is_stale"], &recounted["model"]["name"]), (&json!(false), &json!("other")));
    let found = find_cells(&model.predictor(Default::default()), "a.png".as_ref(), &smear(0).image, None).unwrap();
    let mut expected = count_slide(&model, "Slide", vec![found], 5e6).unwrap();
    assert_eq!(recounted["computed"]["counts"], serde_json::to_value(expected.counts).unwrap());
    // The verdict stays with its box.
    review_slide(&model, &mut expected, model.threshold, |_, object| (object == 1).then_some(Verdict::Parasitized));
    assert_eq!(recounted["current"]["counts"], serde_json::to_value(expected.counts).unwrap());
    assert_eq!(recounted["reviewed"], 1);
    assert_ne!(
        recounted["single_cells"][0]["probability_parasitized"],
        before["single_cells"][0]["probability_parasitized"]
    );
    // An empty case takes the model of its first image.
    let empty = Case::create(&router, "New").await;
    assert_eq!(empty.json("").await["is_stale"], false);
}
