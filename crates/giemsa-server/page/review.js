export async function showReview() { const p = document.createElement("p"); p.textContent="todo"; return p; }
