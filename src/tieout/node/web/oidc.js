"use strict";
const told = document.getElementById("told");
const answered = new URLSearchParams(location.search);
// The code is good once; nobody needs it in the history.
history.replaceState(null, "", location.pathname);
const finish = async () => {
  if (!answered.has("code")) {
    told.textContent = `The provider says: ${answered.get("error_description") || answered.get("error") || "nothing"}`;
    return;
  }
  const answer = await fetch("/v1/session/oidc", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      state: answered.get("state") || "",
      code: answered.get("code"),
      iss: answered.get("iss") || "",
    }),
  });
  const said = await answer.json();
  if (answer.ok) sessionStorage.setItem("tieout_csrf", said.csrf);
  told.textContent = answer.ok ? `Welcome, ${said.name}. You are ${said.role}.` : said.detail;
};
finish();
