"""PyTorch's training step of the same GPT, or transformers' sampling, in a process of its own: reads {"steps": n} lines,
answers each.

python peer.py SHAPE_JSON --dtype f32|bf16 [--compile] [--device cuda] [--sample SAMPLING_JSON] --threads N
A step is forward, backward, clip to 1.0, AdamW, zero_grad; bf16 is autocast. AdamW is the default one: on two
cores it is as fast as fused=True.
"""

import argparse
import contextlib
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, heads, embd, bias, approximate):
        super().__init__()
        self.heads, self.approximate = heads, approximate
        self.ln_1, self.ln_2 = nn.LayerNorm(embd, bias=bias), nn.LayerNorm(embd, bias=bias)
        self.attn, self.attn_proj = nn.Linear(embd, 3 * embd, bias=bias), nn.Linear(embd, embd, bias=bias)
        self.fc, self.fc_proj = nn.Linear(embd, 4 * embd, bias=bias), nn.Linear(4 * embd, embd, bias=bias)

    def forward(self, x):
        b, t, e = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.attn(self.ln_1(x)).split(e, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_proj(y.transpose(1, 2).reshape(b, t, e))
        return x + self.fc_proj(F.gelu(self.fc(self.ln_2(x)), approximate=self.approximate))


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-5).type_as(x) * self.weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class LlamaBlock(nn.Module):
    def __init__(self, heads, kv_heads, embd, hidden):
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads
        kv = kv_heads * (embd // heads)
        self.attn_norm, self.mlp_norm = RMSNorm(embd), RMSNorm(embd)
        self.q, self.k, self.v, self.o = (nn.Linear(embd, width, bias=False) for width in (embd, kv, kv, embd))
        self.gate, self.up = (nn.Linear(embd, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, embd, bias=False)

    def forward(self, x, cos, sin):
        b, t, e = x.shape
        h = self.attn_norm(x)
        heads = lambda x, count: x.view(b, t, count, -1).transpose(1, 2)
        q, k, v = heads(self.q(h), self.heads), heads(self.k(h), self.kv_heads), heads(self.v(h), self.kv_heads)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.kv_heads != self.heads:
            k, v = (x.repeat_interleave(self.heads // self.kv_heads, 1) for x in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, e))
        h = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self, layers, heads, embd, blockSize, vocabSize, batchSize, keyValueHeads=None):
        super().__init__()
        self.embed = nn.Embedding(vocabSize, embd)
        hidden = -(-embd // 3) * 8
        self.blocks = nn.ModuleList(LlamaBlock(heads, keyValueHeads or heads, embd, hidden) for _ in range(layers))
        self.norm = RMSNorm(embd)
        part = embd // heads
        rates = 10000.0 ** (-torch.arange(0, part, 2).float() / part)
        angle = torch.outer(torch.arange(blockSize).float(), rates).repeat(1, 2)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids, targets):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.cross_entropy(F.linear(self.norm(x), self.embed.weight).flatten(0, 1), targets.flatten())


class GPT(nn.Module):
    def __init__(self, layers, heads, embd, blockSize, vocabSize, batchSize, activation="gelu", bias=False):
        super().__init__()
        approximate = {"gelu": "none", "gelu_tanh": "tanh"}[activation]
        self.wte, self.wpe = nn.Embedding(vocabSize, embd), nn.Embedding(blockSize, embd)
        self.h = nn.ModuleList(Block(heads, embd, bias, approximate) for _ in range(layers))
        self.ln_f = nn.LayerNorm(embd, bias=bias)
        for weight in (p for p in self.parameters() if p.dim() > 1):
            nn.init.normal_(weight, std=0.02)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", type=json.loads)
    parser.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--sample", type=json.loads)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    torch.set_default_device(given.device)
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    ready, work = trainer(given) if given.sample is None else sampler(given)
    work(1)
    answer({"ready": ready})
    for line in sys.stdin:
        before = time.process_time()
        times = work(json.loads(line)["steps"])
        host = (time.process_time() - before) * 1e3 / max(1, len(times))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer({"times": times, "hostMilliseconds": host, "peakBytes": peak, "residentBytes": peak})


def trainer(given):
    model = {"gpt": GPT, "llama": Llama, "plain-llama": Llama}[given.shape.pop("model", "gpt")](**given.shape)
    params = list(model.parameters())
    groups = [
        {"params": [p for p in params if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in params if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    run = torch.compile(model) if given.compile else model
    autocast = torch.autocast(given.device, torch.bfloat16) if given.dtype == "bf16" else contextlib.nullcontext()
    size = (given.shape["batchSize"], given.shape["blockSize"])
    inputs, targets = (torch.randint(given.shape["vocabSize"], size) for _ in range(2))

    def step():
        with autocast:
            loss = run(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    def timed(count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        return times

    return f"PyTorch {torch.__version__}", timed


def sampler(given):
    try:
        import transformers
    except ImportError:
        sys.exit("transformers not found")
    shape, sample = given.shape, given.sample
    config = transformers.GPT2Config(
        vocab_size=shape["vocabSize"],
        n_positions=shape["blockSize"],
        n_embd=shape["embd"],
        n_layer=shape["layers"],
        n_head=shape["heads"],
        bos_token_id=None,
        eos_token_id=None,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    if given.dtype == "bf16":
        model = model.to(torch.bfloat16)
    ids = torch.tensor([sample["prompt"]])

    def timed(count):
        start = time.perf_counter()
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=sample["temperature"],
            top_k=sample["topK"],
            max_new_tokens=count,
            pad_token_id=0,
        )
        elapsed = (time.perf_counter() - start) * 1e3
        assert out.shape[1] == ids.shape[1] + count, "generate stopped early"
        return [elapsed / count]

    return f"transformers {transformers.__version__}, PyTorch {torch.__version__}", timed


def answer(facts):
    print(json.dumps(facts), flush=True)


main()
