"""OpenInference in processes with one API key, each with a call every two seconds.

    run.py PROCESSES CALLS batch|simple

With `simple`, each span is exported when it ends, and the calls follow each other at once.
"""

import multiprocessing
import sys
import time

from calling import MESSAGES, openai_client, tracer_provider


def work(calls: int, simple: bool) -> None:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = tracer_provider(simple)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = openai_client()
    for _ in range(calls):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        if not simple:
            time.sleep(2)
    provider.shutdown()


if __name__ == "__main__":
    processes, calls, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=work, args=(calls, how == "simple")) for _ in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in running))
