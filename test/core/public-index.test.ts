import test from 'ava';
import {
  On,
  Plugin,
  type EvaluationEnd,
  type Events,
  type IterationEnd,
  type EvaluationStart,
  type StepReady,
} from '../../core/index.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(value: T): T => value;

@Plugin({ name: 'typed', summary: 'compiles only while payloads are typed' })
class Typed {
  losses: number[] = [];

  @On('evaluation:end')
  evaluated({ losses }: EvaluationEnd): void {
    this.losses.push(losses.val);
  }

  // @ts-expect-error a listener must take the payload of its event
  @On('iteration:end')
  wrong(payload: { nonsense: boolean }): void {
    this.losses.push(Number(payload.nonsense));
  }
}

test('event payloads are typed through the public index', (t) => {
  t.true(holds<Equal<Events['iteration:end'], IterationEnd>>(true));
  t.true(holds<Equal<IterationEnd['loss'], number>>(true));
  t.true(holds<Equal<EvaluationStart, { readonly iteration: number }>>(true));
  t.true(holds<Equal<StepReady['skip'], string | undefined>>(true));
  t.deepEqual(new Typed().losses, []);
});

test('the fields that are declared replaceable can be assigned, others cannot, and optional ones may be left out', (t) => {
  const ready: StepReady = { iteration: 0, loss: 1, gradNorm: 1, gradients: new Map() };
  ready.skip = 'spike';
  // @ts-expect-error listeners may only read it
  ready.gradNorm = 2;
  t.is(ready.skip, 'spike');
});
