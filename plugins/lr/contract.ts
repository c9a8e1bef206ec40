/** `espalier/lr`: learning-rate schedules. `schedulePlugin` turns a function of the iteration into a plugin. */
export { decayOptions, schedulePlugin, warmupOptions, type SchedulePoint } from './schedule/warmup-schedule.js';

/** Base classes of schedules from before `schedulePlugin`; kept until 1.0. */
export { DecaySchedule, ScheduleParts, WarmupSchedule } from './schedule/warmup-schedule.js';
