//! Checks of HTML pages.

use giemsa::RESEARCH_ONLY;

/// Checks that a page loads nothing from outside and contains no scripts.
pub fn assert_self_contained(page: &str) {
    for (i, _) in page.match_indices("src=\"").chain(page.match_indices("href=\"")) {
        let target = page[i..].split('"').nth(1).unwrap();
        assert!(target.starts_with("data:"), "loads {}", target.chars().take(60).collect::<String>());
    }
    for word in ["<script", "http-equiv", "@import", "url(", "<link", "<iframe"] {
        assert!(!page.contains(word), "the page contains {word}");
    }
    let images = page.matches("<img ").count();
    assert!(images > 0 && images == page.matches(" alt=\"").count(), "an image without alternative text");
    assert!(page.contains(RESEARCH_ONLY));
}
