/** Loads the first addon that works. @throws Error saying of each addon that was found why it does not work */
export function loadAddon(isUsable: (addon: unknown) => boolean): { readonly addon: unknown; readonly origin: string };
