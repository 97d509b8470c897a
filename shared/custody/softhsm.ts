/** Whether a module says it is SoftHSM, whose keys are files: manufacturer 'SoftHSM project', model 'SoftHSM v2'. */
export function isSoftHsm(module: { readonly manufacturer: string; readonly model: string } | undefined): boolean {
  return module !== undefined && /soft\s*hsm/i.test(`${module.manufacturer} ${module.model}`);
}
