import { Page } from './page.js';
import { sourceOfPage } from './source.js';

new Page(sourceOfPage()).start();
