export {
  questionSchema,
  type Compared,
  type Moment,
  type Question,
  type Values,
  type ValuesAnswer,
} from './determinism/protocol.js';
