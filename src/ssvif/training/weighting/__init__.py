"""How the consistency loss is weighed against the fusion loss in stage II."""
