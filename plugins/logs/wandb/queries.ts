import { z } from 'zod';
import type { Client } from './http.js';
import { Lines, type RunPart } from './records.js';

/** A run as the server knows it. */
export interface ServerRun {
  readonly entity: string;
  readonly project: string;
  readonly id: string;
  /** Number of lines that the server has. */
  readonly lines: Lines;
}

// These are the requests of W&B's client 0.31, reduced to the answer's fields that are needed here.
const UPSERT_BUCKET = `mutation UpsertBucket($id: String, $name: String, $project: String, $entity: String, $groupName: String, $displayName: String, $notes: String, $config: JSONString, $host: String, $jobType: String, $tags: [String!]) {
  upsertBucket(input: {id: $id, name: $name, modelName: $project, entityName: $entity, groupName: $groupName, displayName: $displayName, notes: $notes, config: $config, host: $host, jobType: $jobType, tags: $tags}) {
    bucket { id name displayName historyLineCount project { name entity { name } } }
    inserted
  }
}`;
const RUN_LINES = `query RunResumeStatus($project: String, $entity: String, $name: String!) {
  model(name: $project, entityName: $entity) {
    bucket(name: $name, missingOk: true) { id historyLineCount eventsLineCount logLineCount }
  }
}`;
const CREATE_RUN_FILES = `mutation CreateRunFiles($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
  createRunFiles(input: {entityName: $entity, projectName: $project, runName: $run, files: $files}) {
    runID
    uploadHeaders
    files { name uploadUrl }
  }
}`;

const upserted = z.object({
  upsertBucket: z.object({
    bucket: z.object({
      name: z.string(),
      project: z.object({ name: z.string(), entity: z.object({ name: z.string() }) }),
    }),
  }),
});
const count = z.int().nullish();
const runLines = z.object({
  model: z
    .object({
      bucket: z
        .object({ id: z.string(), historyLineCount: count, eventsLineCount: count, logLineCount: count })
        .nullish(),
    })
    .nullish(),
});
const runFiles = z.object({
  createRunFiles: z.object({
    uploadHeaders: z.array(z.string()),
    files: z.array(z.object({ name: z.string(), uploadUrl: z.string() })),
  }),
});

/** Creates or updates the run on the server, after asking which lines it already has. @throws ServerGone */
export async function upsertBucket(
  server: Client,
  run: RunPart,
  config: Readonly<Record<string, unknown>>,
): Promise<ServerRun> {
  const place = { name: run.run_id, project: orNull(run.project), entity: orNull(run.entity) };
  const held = runLines.parse(await server.graphql(RUN_LINES, place)).model?.bucket;
  const answer = await server.graphql(UPSERT_BUCKET, {
    ...place,
    // With its internal id the existing run is continued.
    id: held?.id ?? null,
    groupName: orNull(run.run_group),
    jobType: orNull(run.job_type),
    displayName: orNull(run.display_name),
    notes: orNull(run.notes),
    host: orNull(run.host),
    tags: run.tags,
    // The server uses `t` to recognise a run that has started.
    config: JSON.stringify({ ...config, _wandb: { value: { t: {} } } }),
  });
  const { bucket } = upserted.parse(answer).upsertBucket;
  return {
    entity: bucket.project.entity.name,
    project: bucket.project.name,
    id: bucket.name,
    lines: new Lines(held?.historyLineCount ?? 0, held?.eventsLineCount ?? 0, held?.logLineCount ?? 0),
  };
}

/** Asks the server where to upload files. @throws ServerGone */
export async function createRunFiles(
  server: Client,
  { entity, project, id }: ServerRun,
  files: readonly string[],
): Promise<{ headers: string[]; files: { name: string; uploadUrl: string }[] }> {
  const answer = await server.graphql(CREATE_RUN_FILES, { entity, project, run: id, files });
  const { uploadHeaders: headers, files: places } = runFiles.parse(answer).createRunFiles;
  return { headers, files: places };
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}
