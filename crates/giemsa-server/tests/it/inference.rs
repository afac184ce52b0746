//! The Open Inference Protocol.

use crate::request::{Answer, get, post, router, send};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use giemsa::image::decode_bytes;
use giemsa::model::Model;
use giemsa_server::{Limits, Server, Settings, app};
use serde_json::{Value, json};

const PARASITIZED: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");
const INFER: &str = "/v2/models/compact/infer";

async fn infer(router: &Router, request: &Value) -> Answer {
    send(router, post(INFER, "application/json", request.to_string())).await
}

fn with_binary(json: &Value, binary: &[u8]) -> Request<Body> {
    let mut body = json.to_string().into_bytes();
    let length = body.len();
    body.extend_from_slice(binary);
    let request = Request::post(INFER).header(header::HOST, "localhost");
    request.header("Inference-Header-Content-Length", length).body(body.into()).unwrap()
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let outputs = answer["outputs"].as_array().unwrap();
    outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("{name}: {answer}"))
}

fn files(files: &[&[u8]]) -> Value {
    let data: Vec<String> = files.iter().map(|file| STANDARD.encode(file)).collect();
    json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [files.len()], "data": data}]})
}

#[tokio::test]
async fn describes_server_and_model() {
    let router = router(Settings::default());
    let server = send(&router, get("/v2")).await.json();
    assert_eq!((&server["name"], &server["extensions"]), (&json!("giemsa"), &json!(["binary_tensor_data"])));
    let sha256 = send(&router, get("/api/model")).await.json()["sha256"].as_str().unwrap().to_owned();
    let version = &sha256[..12];
    for address in ["/v2/models/compact".to_owned(), format!("/v2/models/compact/versions/{version}")] {
        let model = send(&router, get(&address)).await.json();
        assert_eq!(model["versions"], json!([version]));
        assert_eq!(model["inputs"], json!([{"name": "image", "datatype": "BYTES", "shape": [-1]}]));
        let names = model["outputs"].as_array().unwrap().iter().map(|output| output["name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["probability_parasitized", "class", "cell", "error"]);
        let ready = send(&router, get(&format!("{address}/ready"))).await;
        assert_eq!((ready.status.as_u16(), ready.json()), (200, json!({"name": "compact", "ready": true})));
    }
}

#[tokio::test]
async fn is_live_but_not_ready_while_it_is_being_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Settings { data: Some(folder.path().into()), ..Settings::default() }).unwrap();
    let router = app(server.clone());
    let addresses = ["/v2/health/live", "/v2/health/ready", "/v2/models/compact/ready"];
    for (stopped, expected) in [(false, [200, 200, 200]), (true, [200, 503, 503])] {
        if stopped {
            server.stop();
        }
        for (address, status) in addresses.into_iter().zip(expected) {
            assert_eq!(send(&router, get(address)).await.status, status, "{address}");
        }
    }
}

#[tokio::test]
async fn a_bad_image_fails_by_itself() {
    let mut request = files(&[PARASITIZED, b"text", PARASITIZED]);
    request["id"] = "slide 7".into();
    let answer = infer(&router(Settings::default()), &request).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let json = answer.json();
    assert_eq!((&json["id"], &json["model_name"]), (&json!("slide 7"), &json!("compact")));
    assert_eq!(json["parameters"]["notice"], "For research use only, not for diagnosis.");
    assert_eq!(output(&json, "class")["data"], json!(["Parasitized", "", "Parasitized"]));
    assert_eq!(output(&json, "class")["datatype"], "BYTES");
    let reason = "expected a PNG, JPEG, TIFF or BMP image, found text";
    assert_eq!(output(&json, "error")["data"], json!(["", reason, ""]));
    let probabilities = output(&json, "probability_parasitized");
    assert_eq!((&probabilities["datatype"], &probabilities["shape"]), (&json!("FP32"), &json!([3])));
    let pixels = decode_bytes(PARASITIZED, "a.png".as_ref()).unwrap().pixels;
    let expected = Model::embedded().unwrap().predict(&pixels).unwrap();
    for (name, expected) in [
        ("probability_parasitized", expected.probability_parasitized),
        ("cell", expected.probability_red_cell.unwrap()),
    ] {
        let values: Vec<f64> = serde_json::from_value(output(&json, name)["data"].clone()).unwrap();
        assert!((values[0] - f64::from(expected)).abs() < 1e-6 && values[0] == values[2], "{values:?}");
        assert_eq!(values[1], -1.0);
    }
}

#[tokio::test]
async fn an_image_of_no_cell_has_no_class_but_a_reason() {
    let request = json!({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 40, 40, 3],
        "data": vec![0; 40 * 40 * 3]}]});
    let json = infer(&router(Settings::default()), &request).await.json();
    assert_eq!(output(&json, "class")["data"], json!([""]));
    assert_eq!(output(&json, "error")["data"], json!(["not a red cell"]));
    assert!(output(&json, "cell")["data"][0].as_f64().unwrap() < 0.05);
}

#[tokio::test]
async fn binary_files_and_pixels_give_the_probability_of_the_file() {
    let router = router(Settings::default());
    let pixels = decode_bytes(PARASITIZED, "a.png".as_ref()).unwrap().pixels;
    let (width, height) = pixels.dimensions();
    let shape = json!([1, height, width, 3]);
    let fractions: Vec<u8> = pixels.iter().flat_map(|&byte| (f32::from(byte) / 255.0).to_le_bytes()).collect();
    let element = [&(PARASITIZED.len() as u32).to_le_bytes(), PARASITIZED].concat();
    let expected = infer(&router, &files(&[PARASITIZED])).await.json();
    for (datatype, shape, bytes) in
        [("BYTES", json!([1]), element), ("UINT8", shape.clone(), pixels.into_raw()), ("FP32", shape, fractions)]
    {
        let json = json!({
            "inputs": [{"name": "image", "datatype": datatype, "shape": shape,
                "parameters": {"binary_data_size": bytes.len()}}],
            "outputs": [{"name": "class", "parameters": {"binary_data": true}}, {"name": "probability_parasitized"}],
        });
        let answer = send(&router, with_binary(&json, &bytes)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/octet-stream");
        let length: usize = answer.headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
        let (json, binary) = answer.body.split_at(length);
        let json: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], binary.len());
        assert_eq!(binary, b"\x0b\0\0\0Parasitized");
        let probability = output(&json, "probability_parasitized");
        assert_eq!(probability, output(&expected, "probability_parasitized"), "{datatype}");
    }
}

#[tokio::test]
async fn all_outputs_can_be_binary_except_some() {
    let mut request = files(&[PARASITIZED]);
    request["parameters"] = json!({"binary_data_output": true});
    let answer = infer(&router(Settings::default()), &request).await;
    // Two numbers of 4 bytes, "Parasitized" and "" with their lengths.
    let length: usize = answer.headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(answer.body.len() - length, 4 + (4 + 11) + 4 + 4);
    request["outputs"] = json!([{"name": "error", "parameters": {"binary_data": false}}]);
    let json = infer(&router(Settings::default()), &request).await.json();
    assert_eq!(json["outputs"], json!([{"name": "error", "datatype": "BYTES", "shape": [1], "data": [""]}]));
}

#[tokio::test]
async fn errors_have_the_form_of_the_protocol() {
    let limits = Limits { body_bytes: 20_000, parts: 2, ..Limits::default() };
    let router = router(Settings { limits, ..Settings::default() });
    let input = |input: Value| post(INFER, "application/json", json!({"inputs": [input]}).to_string());
    let text = |text: &str| post(INFER, "application/json", text.to_owned());
    let with_outputs = |outputs: Value| {
        let mut request = files(&[b"text"]);
        request["outputs"] = outputs;
        post(INFER, "application/json", request.to_string())
    };
    let two = json!({"inputs": [{"name": "image"}, {"name": "image"}]}).to_string();
    let declared = json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1],
        "parameters": {"binary_data_size": 99}}]});
    for (request, status, part) in [
        (get("/v2/models/other"), 404, "no model 'other'"),
        (get("/v2/models/compact/versions/2"), 404, "no version '2'"),
        (get("/v2/models/compact/versions/2/ready"), 404, "no version '2'"),
        (get("/v2/models/%ff"), 400, "UTF-8"),
        (get("/v2/repository/index"), 404, "no such address"),
        (get(INFER), 405, "another method"),
        (text("{"), 400, "EOF"),
        (text("[]"), 400, "no inference request"),
        (text("{}"), 400, "missing field `inputs`"),
        (text(r#"{"inputs": []}"#), 400, "a list with one input"),
        (text(&two), 400, "missing field"),
        (text(&"[".repeat(10_000)), 400, "no inference request"),
        (text(&format!(r#"{{"a": {}, "inputs": 5}}"#, "[".repeat(9_000))), 400, "no inference request"),
        (text(&" ".repeat(20_001)), 413, "larger"),
        (input(json!({"name": "x", "datatype": "BYTES", "shape": [1], "data": ["a"]})), 400, "no input 'x'"),
        (input(json!({"name": "image", "datatype": "BYTES", "shape": [1]})), 400, "either data or"),
        (input(json!({"name": "image", "datatype": "BYTES", "shape": [-1], "data": []})), 400, "shape"),
        (input(json!({"name": "image", "datatype": "BYTES", "shape": [3], "data": []})), 400, "1 to 2 images"),
        (input(json!({"name": "image", "datatype": "BYTES", "shape": vec![1; 6000], "data": []})), 400, "too long"),
        (with_outputs(json!([{"name": "logit"}])), 400, "no output 'logit'"),
        (with_outputs(json!([{"name": 5}])), 400, "outputs"),
        (text(&declared.to_string()), 400, "needs the header"),
        (with_binary(&declared, b"short"), 400, "binary_data_size is 99, but 5 bytes"),
        (with_binary(&declared, &[0xff; 99]), 400, "ends before element 0"),
        (with_binary(&files(&[b"a"]), b"more"), 400, "either data or"),
    ] {
        let address = request.uri().to_string();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, status, "{address} {part} {:?}", answer.body);
        let json = answer.json();
        assert!(json["error"].as_str().is_some_and(|error| error.contains(part)), "{part}: {json}");
    }
}

#[tokio::test]
async fn refusals_of_the_guard_have_the_form_of_the_protocol() {
    let router = router(Settings { token: Some("secret".to_owned()), ..Settings::default() });
    let answer = send(&router, get("/v2/models/compact")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    let error = "send the token of the server: Authorization: Bearer TOKEN";
    assert_eq!(answer.json(), json!({"error": error}));
}

#[tokio::test]
async fn pixels_of_a_photograph_are_refused() {
    let limits = Limits { cell_pixels: 1600, ..Limits::default() };
    let router = router(Settings { limits, ..Settings::default() });
    let pixels = json!({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 41, 40, 3], "data": []}]});
    let answer = infer(&router, &pixels).await;
    let error =
        "the images are 40x41 pixels; the image of a cell has 1 to 1600: send photographs of a smear to /api/photos";
    assert_eq!((answer.status.as_u16(), answer.json()), (400, json!({"error": error})));
    let answer = infer(&router, &files(&[PARASITIZED])).await.json();
    let error = output(&answer, "error")["data"][0].as_str().unwrap();
    assert!(error.contains("at most 1600: send photographs of a smear to /api/photos"), "{error}");
    assert_eq!(output(&answer, "class")["data"], json!([""]));
}
