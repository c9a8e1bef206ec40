/** `espalier/lr`: schedules of the learning rate. `schedulePlugin` makes a plugin of a function of the iteration. */
export { decayOptions, schedulePlugin, warmupOptions, type SchedulePoint } from './schedule/warmup-schedule.js';

/** Kept until 1.0: the classes that schedules extended before `schedulePlugin`. */
export { DecaySchedule, ScheduleParts, WarmupSchedule } from './schedule/warmup-schedule.js';
