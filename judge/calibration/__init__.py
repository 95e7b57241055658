"""How far the judge can be trusted: people's labels, mutation tests, hostile answers, biases."""
