import { Engine, On, Plugin, registerOps, tf } from 'espalier';
import type { Bindings, EngineProbe } from 'espalier';
import { registerCpuBackend } from 'espalier/engines';

@Plugin({
  name: 'plain',
  summary: 'the plain backend of TensorFlow.js: a start for an engine',
  slot: 'engine',
  rank: 95,
})
export default class Plain implements Engine {
  static register(bindings: Bindings): void {
    bindings.bind(Engine, Plain);
  }

  /** Whether it works on this machine: ask for the device or the library that it needs. */
  static probe(): EngineProbe {
    return { works: true, detail: 'JavaScript' };
  }

  readonly name = 'plain';
  readonly backend = 'cpu';
  readonly description = 'JavaScript';

  /** Register a backend of your own here (`tf.registerBackend`), and its kernels of espalier's operations after it. */
  @On('run:setup')
  async setUp(): Promise<void> {
    registerCpuBackend();
    await tf.setBackend(this.backend);
    registerOps(this.backend);
  }
}
