// The log-in form. Name and password go to the page's own server as JSON, and nowhere else.

const form = document.getElementById("login");
const answer = document.getElementById("answer");
const user = document.getElementById("user");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.hidden = true;
  const response = await fetch("api/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      user: user.value,
      password: document.getElementById("password").value,
    }),
  });
  if (response.ok) {
    location.assign("./");
    return;
  }
  answer.textContent = (await response.json()).error;
  answer.hidden = false;
});

const ways = await (await fetch("api/login")).json();
if (ways.with_users) {
  document.getElementById("user-label").hidden = false;
  user.focus();
}
