"""Start a program of MLflow with the database's password in its URI.

PyMySQL reads no password from the environment, and a URI must have it percent-encoded.
"""

import os, sys
from urllib.parse import quote
password = quote(os.environ["DB_PASSWORD"], safe="")
os.environ["MLFLOW_BACKEND_STORE_URI"] = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("{password}", password)
arguments = [argument.replace("$BACKEND", os.environ["MLFLOW_BACKEND_STORE_URI"]) for argument in sys.argv[1:]]
os.execvp(arguments[0], arguments)
