// The log-in form. Name and password go to the page's own server as JSON, and nowhere else.

const form = document.getElementById("login");
const answer = document.getElementById("answer");
const user = document.getElementById("user");

// What the server answers; where it does not, the form says so and null comes.
async function ask(options) {
  try {
    const response = await fetch("api/login", options);
    return { ok: response.ok, tree: await response.json() };
  } catch {
    say("The page's server does not answer. Try again once it is back.");
    return null;
  }
}

function say(text) {
  answer.textContent = text;
  answer.hidden = !text;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say("");
  const found = await ask({
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      user: user.value,
      password: document.getElementById("password").value,
    }),
  });
  if (found?.ok) location.assign("./");
  else if (found) say(found.tree.error);
});

const ways = await ask();
if (ways?.tree.with_users) {
  document.getElementById("user-label").hidden = false;
  user.focus();
}
