import cpu = require('@tensorflow/tfjs-backend-cpu');
import { Engine, On, Plugin, tf, type Bindings, type EngineProbe } from '../../core/index.js';
import { registerOps } from '../ops/contract.js';

@Plugin({
  name: 'engine-cpu',
  summary: 'Plain JavaScript: slow, runs everywhere, for tests.',
  slot: 'engine',
  rank: 90,
})
export default class CpuEngine implements Engine {
  static register(bindings: Bindings): void {
    bindings.bind(Engine, CpuEngine);
  }

  static probe(): EngineProbe {
    return { works: true, detail: `tfjs-backend-cpu ${cpu.version_cpu}` };
  }

  readonly name = 'cpu';
  readonly backend = 'cpu';
  readonly description = `tfjs-backend-cpu ${cpu.version_cpu}`;

  @On('run:setup')
  async setUp(): Promise<void> {
    // Without this the backend prints an advertisement on first use.
    tf.env().set('PROD', true);
    await tf.setBackend(this.backend);
    registerOps(this.backend);
  }
}
