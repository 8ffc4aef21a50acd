"""Start a program of MLflow with the database's password in its URI.

PyMySQL reads no password from the environment, and a URI must have it percent-encoded.
"""

import os, sys
from urllib.parse import quote
password = quote(os.environ["DB_PASSWORD"], safe="")
os.environ["MLFLOW_BACKEND_STORE_URI"] = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("{password}", password)
template = os.environ.get("MLFLOW_AUTH_TEMPLATE")
if template:
    with open(template) as source:
        # A percent sign begins an interpolation in this file.
        text = source.read().replace("{password}", password.replace("%", "%%"))
    with open(os.environ["MLFLOW_AUTH_CONFIG_PATH"], "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as target:
        target.write(text)
arguments = [argument.replace("$BACKEND", os.environ["MLFLOW_BACKEND_STORE_URI"]) for argument in sys.argv[1:]]
os.execvp(arguments[0], arguments)
