import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { options, type Environment, settingsOf } from '../../../../plugins/logs/wandb/settings.js';
import { emptyFolder } from '../../../e2e/command.js';

const KEY = 'k'.repeat(40);
/** No netrc of the machine's is read. */
const settings = (given: object, environment: Environment = {}) =>
  settingsOf(options.parse(given), { NETRC: '/nowhere', ...environment });

test('a run is online if there is a key, else offline; WANDB_MODE overrides that, and the config’s mode overrides both', (t) => {
  t.is(settings({}).mode, 'offline');
  t.is(settings({}, { WANDB_API_KEY: KEY }).mode, 'online');
  t.is(settings({}, { WANDB_API_KEY: KEY, WANDB_MODE: 'offline' }).mode, 'offline');
  t.is(settings({}, { WANDB_API_KEY: KEY, WANDB_MODE: 'dryrun' }).mode, 'offline');
  t.is(settings({}, { WANDB_MODE: 'disabled' }).mode, 'disabled');
  t.is(settings({ mode: 'offline' }, { WANDB_API_KEY: KEY, WANDB_MODE: 'online' }).mode, 'offline');
  t.is(settings({ mode: 'online' }, { WANDB_API_KEY: KEY, ESPALIER_REHEARSAL: '1' }).mode, 'offline');
});

test('keys of 40 and 86 characters are accepted, and a self-hosted server’s; a truncated key is refused', (t) => {
  const today = `wandb_v1_${'a'.repeat(50)}-${'b'.repeat(26)}`;
  for (const key of [KEY, today, `local-${KEY}`, `${'A'.repeat(20)}-${'b'.repeat(65)}`])
    t.is(settings({}, { WANDB_API_KEY: key }).apiKey, key);
  for (const key of [KEY.slice(1), `local-${KEY.slice(1)}`, `${today} `.replace('-', ' ')])
    t.throws(() => settings({}, { WANDB_API_KEY: key }), { message: /copy it again.*/ }, key);
});

test('the config overrides the environment, key by key', (t) => {
  const environment = {
    WANDB_PROJECT: 'p',
    WANDB_ENTITY: 'e',
    WANDB_NAME: 'n',
    WANDB_RUN_ID: 'i',
    WANDB_RUN_GROUP: 'g',
    WANDB_JOB_TYPE: 'j',
    WANDB_TAGS: 'a,b',
    WANDB_NOTES: 'o',
    WANDB_DIR: 'd',
    WANDB_BASE_URL: 'http://host:1/',
    WANDB_CONSOLE: 'off',
  };
  const { id, ...from } = settings({}, environment);
  t.like(from, { project: 'p', entity: 'e', name: 'n', group: 'g', jobType: 'j', tags: ['a', 'b'], notes: 'o' });
  t.like(from, { dir: 'd', baseUrl: 'http://host:1', console: false });
  t.deepEqual(id, { config: undefined, environment: 'i' });
  const given = { project: 'P', entity: 'E', name: 'N', group: 'G', job_type: 'J', tags: [], notes: '', dir: 'D' };
  t.like(settings(given, environment), { project: 'P', entity: 'E', name: 'N', group: 'G', jobType: 'J', notes: '' });
  t.deepEqual(settings(given, environment).tags, []);
  t.is(settings({}).project, 'espalier');
});

test('the key stored by `wandb login` is found by host, in any layout', (t) => {
  const file = path.join(emptyFolder(t), 'netrc');
  writeFileSync(
    file,
    `# mine\nmachine api.wandb.ai\n  login user\n  password ${KEY}\nmachine other:8080 login user password ${KEY.replaceAll('k', 'o')}\n`,
  );
  t.is(settings({}, { NETRC: file }).apiKey, KEY);
  t.is(settings({ base_url: 'http://other:8080' }, { NETRC: file }).apiKey, 'o'.repeat(40));
  t.is(settings({ base_url: 'http://third' }, { NETRC: file }).mode, 'offline');
});

test('invalid environment variables are refused', (t) => {
  const refused = (given: object, environment: Environment): string => {
    const error = t.throws(() => settings(given, environment));
    return `${error.message} ${String(Reflect.get(error, 'code'))}`;
  };
  t.regex(refused({ mode: 'online' }, {}), /mode is online.*no API key.*wandb login.*ESP_WANDB_KEY/);
  t.regex(refused({}, { WANDB_API_KEY: 'short' }), /5 characters.*40 or more.*ESP_WANDB_KEY/);
  t.regex(refused({}, { WANDB_MODE: 'ofline' }), /WANDB_MODE is ofline.*offline.*ESP_WANDB_SETTING/);
  t.regex(refused({}, { WANDB_PROJECT: 'a/b' }), /WANDB_PROJECT.*ESP_WANDB_SETTING/);
  t.regex(refused({}, { WANDB_BASE_URL: 'host' }), /WANDB_BASE_URL is host.*ESP_WANDB_SETTING/);
  t.false(options.safeParse({ project: 'a/b' }).success);
});
