"""How fast Presidio's pattern recognisers are on the messages that the others had: presidio.py FILE"""

import sys
import time

import engines

SECONDS_MAX = 20


def main():
    recognizers = engines.presidio()
    done = finds = 0
    started = time.thread_time()
    for line in open(sys.argv[1], encoding="utf-8"):
        finds += len(engines.presidio_spans(recognizers, line))
        done += len(line.encode())
        if time.thread_time() - started > SECONDS_MAX:
            break
    seconds = time.thread_time() - started
    print(f"| Presidio, pattern recognisers | {len(recognizers)} | {done / 1e6:.1f} | {done / 1e6 / seconds:.2f} | {finds} |")


main()
