"""Parts of an HTTP exchange: routes, parameters, responses, errors, schemas."""
