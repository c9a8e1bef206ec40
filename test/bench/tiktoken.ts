/** Prints MB/s of tiktoken's batch encoding: arguments are a text, GPT-2's ranks and the number of threads. */
export const peerScript = `
import base64, sys, time
import tiktoken

text, ranks, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(ranks, "rb") as file:
    lines = [line.split() for line in file if line.strip()]
encoding = tiktoken.Encoding(
    "gpt2-from-file",
    pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s""",
    mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in lines},
    special_tokens={"<|endoftext|>": 50256},
)
with open(text, encoding="utf-8") as file:
    whole = file.read()
pieces = [whole[at : at + 262144] for at in range(0, len(whole), 262144)]
started = time.perf_counter()
encoding.encode_ordinary_batch(pieces, num_threads=threads)
print(len(whole.encode()) / 1e6 / (time.perf_counter() - started))
`;
