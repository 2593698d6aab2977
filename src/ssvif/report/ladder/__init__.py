"""A ladder of experiments: arms compared with a reference and with controls, and the document that says what came."""
