//! A case on a server, with drawn photographs and cells.

use crate::request::{Answer, delete, form, get, post, send, with_json};
use axum::Router;
use axum::http::Method;
use giemsa::report::png_bytes;
use giemsa::synthetic::{DrawnSmear, SmearSettings, draw_smear};
use giemsa_server::{Server, Settings, app};
use serde_json::{Value, json};
use std::path::Path;

pub const PARASITIZED: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");
pub const UNINFECTED: &[u8] = include_bytes!("../../../../docs/images/cells/uninfected-1.png");

/// Draws a small photograph, which depends on the number only.
pub fn smear(number: usize) -> DrawnSmear {
    let settings = SmearSettings {
        width_px: 800,
        height_px: 600,
        red_cells: 40,
        parasitaemia: 0.3,
        crowding: 0.0,
        ..SmearSettings::default()
    };
    draw_smear(1, number, &settings)
}

pub fn smear_png(number: usize) -> Vec<u8> {
    png_bytes(&smear(number).image).unwrap()
}

/// Returns the router of a server on a folder.
pub fn router_on(folder: &Path) -> Router {
    app(Server::start(Settings { data: Some(folder.to_owned()), ..Settings::default() }).unwrap())
}

/// A case on a server.
pub struct Case {
    pub router: Router,
    /// The address, such as `/api/cases/1`.
    pub path: String,
}

impl Case {
    pub async fn create(router: &Router, name: &str) -> Case {
        let answer = send(router, with_json(Method::POST, "/api/cases", &json!({"name": name}))).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        let path = answer.headers["location"].to_str().unwrap().to_owned();
        Case { router: router.clone(), path }
    }

    /// Adds files, and returns the numbers of the images.
    pub async fn add(&self, files: &[(&str, &[u8])]) -> Vec<i64> {
        let answer = send(&self.router, form(&format!("{}/images", self.path), files)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let json = answer.json();
        json["images"].as_array().unwrap().iter().map(|image| image["image"].as_i64().unwrap()).collect()
    }

    /// Returns the answer to a request for something of the case; an empty text for the case itself.
    pub async fn get(&self, part: &str) -> Answer {
        send(&self.router, get(&format!("{}{part}", self.path))).await
    }

    pub async fn json(&self, part: &str) -> Value {
        let answer = self.get(part).await;
        assert_eq!(answer.status, 200, "{part}: {:?}", answer.body);
        answer.json()
    }

    pub async fn send(&self, method: Method, part: &str, body: &Value) -> Answer {
        send(&self.router, with_json(method, &format!("{}{part}", self.path), body)).await
    }

    pub async fn post(&self, part: &str) -> Answer {
        send(&self.router, post(&format!("{}{part}", self.path), "text/plain", "")).await
    }

    pub async fn delete(&self, part: &str) -> Answer {
        send(&self.router, delete(&format!("{}{part}", self.path))).await
    }

    /// Gives a verdict, and returns the answer.
    pub async fn give(&self, image: i64, number: u64, verdict: &str) -> Value {
        let body = json!({"image": image, "number": number, "verdict": verdict, "reviewer": "Ada"});
        let answer = self.send(Method::POST, "/verdicts", &body).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.json()
    }

    pub async fn undo(&self, reviewer: &str) -> Answer {
        self.send(Method::POST, "/verdicts/undo", &json!({"reviewer": reviewer})).await
    }

    pub async fn objects(&self, image: i64) -> Vec<Value> {
        self.json(&format!("/objects?image={image}")).await["objects"].as_array().unwrap().clone()
    }
}

/// Checks that an answer is this problem.
#[track_caller]
pub fn is_problem(answer: &Answer, status: u16, detail: &str) {
    assert_eq!(answer.status, status, "{:?}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem = answer.json();
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
}
