export async function showPhotograph() { const p = document.createElement("p"); p.textContent="todo"; return p; }
