"""The fix that is guessed without looking: a buffer 64 times as large."""

from typing import List

import client

BUFFER_SIZE = 64 * 1024


def fetch_all(service: client.Service, orders: int) -> List[bytes]:
    answers = []
    for number in range(orders):
        connection = service.connection()
        connection.request("GET", f"/orders/{number}")
        answers.append(client.read(connection.getresponse(), BUFFER_SIZE))
        connection.close()
    return answers


if __name__ == "__main__":
    client.main(fetch_all)
