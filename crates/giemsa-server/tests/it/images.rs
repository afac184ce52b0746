//! The images of a case, and pictures of their objects.

use crate::case::{Case, PARASITIZED, is_problem, smear, smear_png};
use crate::request::{get, post, router, send};
use giemsa::image::decode_bytes;
use giemsa::model::Model;
use giemsa::model::explain::occlusion;
use giemsa::report::saliency::overlay_of_occlusion;
use giemsa::smear::segment::segment;
use giemsa_server::{Limits, Settings};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};
use std::io::Cursor;

async fn add(case: &Case, parameters: &str, bytes: &[u8]) -> Value {
    let path = format!("{}/images?{parameters}", case.path);
    let answer = send(&case.router, post(&path, "image/png", bytes.to_vec())).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()["images"][0].clone()
}

fn encoded(pixels: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(pixels.clone()).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> RgbImage {
    decode_bytes(bytes, "a".as_ref()).unwrap().pixels
}

#[tokio::test]
async fn the_kind_of_an_image_follows_from_its_size_unless_it_is_given() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let photograph = smear_png(0);
    let added = add(&case, "name=a.png", &photograph).await;
    assert_eq!((&added["kind"], &added["status"]), (&json!("photograph"), &json!("ready")));
    assert_eq!(add(&case, "name=b.png&kind=auto", PARASITIZED).await["kind"], "cell");
    let refused = add(&case, "name=c.png&kind=cell", &photograph).await;
    assert_eq!(refused["status"], "refused");
    assert!(refused["error"].as_str().unwrap().starts_with("a smear photograph with about"), "{refused}");
    let refused = add(&case, "name=d.png&kind=photograph", PARASITIZED).await;
    assert!(refused["error"].as_str().unwrap().starts_with("not a photograph of a thin smear"), "{refused}");
    let answer = send(&case.router, post(&format!("{}/images?kind=x", case.path), "image/png", "x")).await;
    is_problem(&answer, 400, "unknown variant");
    assert_eq!(case.json("").await["refused"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_image_of_a_cell_has_a_limit_of_pixels() {
    let limits = Limits { cell_pixels: 10_000, ..Limits::default() };
    let case = Case::create(&router(Settings { limits, ..Settings::default() }), "Slide").await;
    let refused = add(&case, "kind=cell", PARASITIZED).await;
    assert!(refused["error"].as_str().unwrap().contains("more than an image of one cell may have"), "{refused}");
}

#[tokio::test]
async fn files_are_returned_in_a_format_of_browsers_with_the_same_pixels() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let pixels = decoded(PARASITIZED);
    let formats = [(ImageFormat::Png, "image/png"), (ImageFormat::Bmp, "image/png"), (ImageFormat::Jpeg, "image/jpeg")];
    for (format, media_type) in formats {
        let bytes = encoded(&pixels, format);
        let image = &add(&case, "kind=cell", &bytes).await["image"];
        let answer = send(&case.router, get(&format!("/api/images/{image}/file"))).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["content-type"]), (200, &media_type.parse().unwrap()));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(decoded(&answer.body), decoded(&bytes), "{format:?}");
    }
}

#[tokio::test]
async fn a_picture_shows_the_object_with_a_margin() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let images = case.add(&[("a.png", &smear_png(0)), ("cell.png", PARASITIZED)]).await;
    let objects = case.objects(images[0]).await;
    let far = |object: &&Value| object["x"].as_u64().unwrap() > 60 && object["y"].as_u64().unwrap() > 60;
    let object = objects.iter().filter(|object| object["kind"] == "red_cell").find(far).unwrap();
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|key| object[key].as_u64().unwrap() as u32);
    let picture =
        send(&case.router, get(&format!("/api/images/{}/objects/{}/picture", images[0], object["number"]))).await;
    let picture = decoded(&picture.body);
    let (left, top) = (x - width / 2, y - height / 2);
    assert_eq!(picture[(0, 0)], smear(0).image[(left, top)]);
    assert_eq!(picture.width(), (x + width + width / 2).min(800) - left);
    let whole = send(&case.router, get(&format!("/api/images/{}/objects/1/picture", images[1]))).await;
    assert_eq!(decoded(&whole.body), decoded(PARASITIZED));
    for path in ["0/picture", "9999/picture", "9999/saliency", "x/picture"] {
        is_problem(&send(&case.router, get(&format!("/api/images/{}/objects/{path}", images[0]))).await, 404, "");
    }
    is_problem(&send(&case.router, get("/api/images/77/objects/1/picture")).await, 404, "there is no image 77");
}

#[tokio::test]
async fn a_saliency_map_is_that_of_the_cell_as_the_network_saw_it() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let images = case.add(&[("a.png", &smear_png(0)), ("cell.png", PARASITIZED)]).await;
    let number = case.objects(images[0]).await.iter().position(|object| object["kind"] == "red_cell").unwrap() + 1;
    let (model, photograph) = (Model::embedded().unwrap(), smear(0).image);
    let cut = segment(&photograph, None).cut(&photograph, number - 1, true);
    for (image, number, cell) in [(images[0], number, cut), (images[1], 1, decoded(PARASITIZED))] {
        let answer = send(&case.router, get(&format!("/api/images/{image}/objects/{number}/saliency"))).await;
        let expected = overlay_of_occlusion(&model, &cell, &occlusion(&model, &cell).unwrap());
        assert_eq!(decoded(&answer.body), expected);
    }
}

#[tokio::test]
async fn a_deleted_image_is_no_longer_counted() {
    let router = router(Settings::default());
    let (case, other) = (Case::create(&router, "Slide").await, Case::create(&router, "Other").await);
    let images = case.add(&[("a.png", &smear_png(0)), ("b.png", &smear_png(1)), ("no.png", b"x")]).await;
    let both = case.json("").await;
    is_problem(&other.delete(&format!("/images/{}", images[0])).await, 404, "there is no image");
    for image in &images[1..] {
        assert_eq!(case.delete(&format!("/images/{image}")).await.status, 204);
    }
    let one = case.json("").await;
    assert_eq!(one["photographs"][0]["counts"], one["current"]["counts"]);
    assert!(one["current"]["counts"] != both["current"]["counts"] && one["refused"] == json!([]), "{one}");
    is_problem(&send(&router, get(&format!("/api/images/{}/file", images[1]))).await, 404, "there is no image");
    is_problem(&case.delete(&format!("/images/{}", images[1])).await, 404, "there is no image");
}
