"""Calls official SDKs with the arguments of each case on standard input; prints the body that each of them sends.

Standard input: one JSON object a line, {"name", "sdk", "call", "args"}. Standard output: {"name", "body"} each.
A loopback server records the bytes and answers 418, so nothing leaves the machine and no case waits for an answer.
"""
import http.server, json, sys, threading

recorded = []


class Recorder(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        recorded.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(418)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"


def openai():
    import openai
    return openai.OpenAI(base_url=base, api_key="sk-caller", max_retries=0)


def anthropic():
    import anthropic
    return anthropic.Anthropic(base_url=base, api_key="sk-caller", max_retries=0)


def google():
    from google import genai
    return genai.Client(api_key="sk-caller", http_options={"base_url": base})


def bedrock():
    import boto3, botocore.config
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=base, aws_access_key_id="a",
                        aws_secret_access_key="b", config=config)


makers = {"openai": openai, "anthropic": anthropic, "google": google, "bedrock": bedrock}
clients = {}
for line in sys.stdin:
    case = json.loads(line)
    try:
        client = clients.setdefault(case["sdk"], None) or makers[case["sdk"]]()
    except ImportError as missing:
        print(json.dumps({"name": case["name"], "missing": str(missing)}))
        continue
    clients[case["sdk"]] = client
    call = client
    for word in case["call"].split("."):
        call = getattr(call, word)
    recorded.clear()
    try:
        call(**case["args"])
    except Exception as refused:
        if not recorded:
            print(json.dumps({"name": case["name"], "error": repr(refused)}))
            continue
    print(json.dumps({"name": case["name"], "body": recorded[0].decode()}))
