"use strict";
const told = document.getElementById("told");
document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/v1/setup", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      link: location.hash.slice(1),
      name: document.getElementById("name").value,
      password: document.getElementById("password").value,
    }),
  });
  const said = await answer.json();
  told.textContent = answer.ok
    ? `Welcome, ${said.name}. Programs need a token: POST /v1/tokens; see /docs.`
    : said.detail;
});
