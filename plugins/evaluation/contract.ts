export { estimateLoss, fullLoss } from './loss/estimate-loss.js';
