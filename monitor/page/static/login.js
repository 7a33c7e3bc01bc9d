// The log-in form. The password goes to the page's own server as JSON, and nowhere else.

const form = document.getElementById("login");
const answer = document.getElementById("answer");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.hidden = true;
  const response = await fetch("api/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ password: document.getElementById("password").value }),
  });
  if (response.ok) {
    location.assign("./");
    return;
  }
  answer.textContent = (await response.json()).error;
  answer.hidden = false;
});
