export {
  DecaySchedule,
  decayOptions,
  schedulePlugin,
  ScheduleParts,
  WarmupSchedule,
  warmupOptions,
  type SchedulePoint,
} from './schedule/warmup-schedule.js';
