"""A judge of canaries that classifies and scores as Kayenta's NetflixACAJudge-v1.0 does. Arrays in, classes out."""
